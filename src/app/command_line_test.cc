#include "app/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>

namespace stenod::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The variables that the command line reads, unset at first and again afterwards.
class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() { clear(); }
  ~CommandLineTest() override { clear(); }

  static std::variant<CommandLine, UsageExit> parse(std::initializer_list<const char*> arguments) {
    std::vector<const char*> argv = {"stenod"};
    argv.insert(argv.end(), arguments);
    return parse_command_line(static_cast<int>(argv.size()), argv.data());
  }
  static TranscribeCommand transcribe(std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
      ADD_FAILURE() << usage->text;
      return {};
    }
    return std::get<TranscribeCommand>(std::get<CommandLine>(parsed).command);
  }
  static UsageExit usage(std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    if (const auto* usage = std::get_if<UsageExit>(&parsed)) return *usage;
    ADD_FAILURE() << "accepted";
    return {-1, ""};
  }

 private:
  static void clear() {
    for (const char* name : {"STENOD_MODEL", "MODEL_SIZE", "STENOD_THREADS", "STENOD_COMPUTE_TYPE", "STENOD_MAX_ISA",
                             "STENOD_DEVICE", "DEVICE", "STENOD_LOG_LEVEL"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(CommandLineTest, Defaults) {
  const TranscribeCommand command = transcribe({"transcribe", "a.wav"});
  EXPECT_EQ(command.engine.model, "base");
  EXPECT_EQ(command.engine.num_threads, 0);
  EXPECT_FALSE(command.engine.compute_type);
  EXPECT_FALSE(command.engine.max_isa);
  EXPECT_FALSE(command.file.language);
  EXPECT_EQ(command.file.task, whisper::Task::kTranscribe);
  EXPECT_TRUE(command.file.vad);
  EXPECT_FALSE(command.file.word_timestamps || command.file.split_channels || command.file.full_window);
  EXPECT_THAT(command.formats, ElementsAre(text::Format::kText));
  EXPECT_FALSE(command.layout.subtitles.need_words() || command.layout.words || command.file.punctuations);
  EXPECT_TRUE(command.output_dir.empty());
  EXPECT_FALSE(command.quiet);
  EXPECT_THAT(command.files, ElementsAre("a.wav"));
}

TEST_F(CommandLineTest, SequentialOptions) {
  const auto usual = transcribe({"transcribe", "a.wav"}).file;
  EXPECT_FALSE(usual.sequential || usual.condition_on_previous_text || usual.prompt_reset_on_temperature ||
               usual.hallucination_silence_threshold_s || usual.decoding.max_initial_timestamp_s);
  const auto file = transcribe({"transcribe", "--sequential", "--word-timestamps", "--condition-on-previous-text",
                                "false", "--prompt-reset-on-temperature", "0.3", "--hallucination-silence-threshold",
                                "2", "--clip-timestamps", "1,2.5,4", "--multilingual", "a.wav"})
                        .file;
  EXPECT_TRUE(file.sequential && file.multilingual);
  EXPECT_EQ(file.condition_on_previous_text, false);
  EXPECT_EQ(file.prompt_reset_on_temperature, 0.3);
  EXPECT_EQ(file.hallucination_silence_threshold_s, 2.0);
  EXPECT_THAT(file.clip_timestamps, ElementsAre(1, 2.5, 4));
  const auto votes =
      transcribe({"transcribe", "--language-detection-segments", "5", "--language-detection-threshold", "0.9", "a.wav"})
          .file;
  EXPECT_EQ(votes.language_detection_segments, 5);
  EXPECT_EQ(votes.language_detection_threshold, 0.9);
}

TEST_F(CommandLineTest, OptionsThatDoNotGoTogetherSayWhatTheyNeed) {
  const auto refused = [](std::initializer_list<const char*> arguments) {
    const UsageExit exit = usage(arguments);
    EXPECT_EQ(exit.status, 2);
    return exit.text;
  };
  EXPECT_THAT(refused({"transcribe", "--condition-on-previous-text", "true", "a.wav"}), HasSubstr("--sequential"));
  EXPECT_FALSE(transcribe({"transcribe", "--condition-on-previous-text", "false", "a.wav"}).file.sequential);
  // Also with the value that it has by default.
  EXPECT_THAT(refused({"transcribe", "--prompt-reset-on-temperature", "0.5", "a.wav"}),
              StartsWith("error: --prompt-reset-on-temperature: needs --sequential"));
  EXPECT_THAT(refused({"transcribe", "--max-initial-timestamp", "1", "a.wav"}),
              StartsWith("error: --max-initial-timestamp: needs --sequential"));
  EXPECT_THAT(refused({"bench", "file", "--max-initial-timestamp", "1", "a.wav"}), HasSubstr("needs --sequential"));
  EXPECT_THAT(refused({"eval", "--prompt-reset-on-temperature", "1", "a.jsonl"}), HasSubstr("needs --sequential"));
  EXPECT_THAT(refused({"transcribe", "--hallucination-silence-threshold", "2", "a.wav"}), HasSubstr("--sequential"));
  EXPECT_THAT(refused({"transcribe", "--sequential", "--hallucination-silence-threshold", "2", "a.wav"}),
              HasSubstr("--word-timestamps"));
  EXPECT_TRUE(transcribe({"transcribe", "--sequential", "--hallucination-silence-threshold", "2", "--format", "srt",
                          "--highlight-words", "a.wav"})
                  .file.word_timestamps);
  EXPECT_THAT(refused({"transcribe", "--multilingual", "--language", "de", "a.wav"}), HasSubstr("--multilingual:"));
  EXPECT_THAT(refused({"transcribe", "--clip-timestamps", "5,3", "a.wav"}), StartsWith("error: --clip-timestamps: "));
  EXPECT_THAT(refused({"transcribe", "--language-detection-segments", "0", "a.wav"}),
              HasSubstr("--language-detection-segments"));
}

TEST_F(CommandLineTest, EveryOption) {
  const TranscribeCommand command =
      transcribe({"transcribe",  "--model",    "tiny.en",  "--language",        "German",    "--task", "translate",
                  "--beam-size", "1",          "--no-vad", "--word-timestamps", "--format",  "srt",    "--output-dir",
                  "out",         "--channels", "split",    "--full-window",     "--threads", "3",      "--compute-type",
                  "bf16",        "--max-isa",  "avx512",   "--quiet",           "--jobs",    "2",      "a.wav",
                  "b c.mp3"});
  EXPECT_EQ(command.engine.model, "tiny.en");
  EXPECT_EQ(command.engine.num_threads, 3);
  EXPECT_EQ(command.engine.compute_type, compute::ComputeType::kBFloat16);
  EXPECT_EQ(command.engine.max_isa, compute::Isa::kAvx512);
  EXPECT_EQ(command.file.language, "de");
  EXPECT_EQ(command.file.task, whisper::Task::kTranslate);
  EXPECT_FALSE(command.file.vad);
  EXPECT_TRUE(command.file.word_timestamps && command.file.split_channels && command.file.full_window);
  EXPECT_THAT(command.formats, ElementsAre(text::Format::kSrt));
  EXPECT_TRUE(command.layout.words);
  EXPECT_EQ(command.output_dir, "out");
  EXPECT_EQ(command.num_jobs, 2u);
  EXPECT_TRUE(command.quiet);
  EXPECT_THAT(command.files, ElementsAre("a.wav", "b c.mp3"));
}

TEST_F(CommandLineTest, HowTextIsFound) {
  const auto usual = transcribe({"transcribe", "a.wav"}).file.decoding;
  EXPECT_EQ(usual.search.beam_size, 5);
  EXPECT_THAT(usual.search.temperatures, ElementsAre(0, 0.2f, 0.4f, 0.6f, 0.8f, 1));
  const TranscribeCommand command = transcribe({"transcribe",
                                                "--beam-size",
                                                "2",
                                                "--best-of",
                                                "3",
                                                "--patience",
                                                "1.5",
                                                "--length-penalty",
                                                "-0.5",
                                                "--repetition-penalty",
                                                "1.2",
                                                "--no-repeat-ngram-size",
                                                "4",
                                                "--temperature",
                                                "0,0.5",
                                                "a.wav",
                                                "--seed",
                                                "7",
                                                "--compression-ratio-threshold",
                                                "2",
                                                "--log-prob-threshold",
                                                "-0.7",
                                                "--no-speech-threshold",
                                                "0.5",
                                                "--initial-prompt",
                                                "Dear Ms Ng,",
                                                "--hotwords",
                                                "stenod",
                                                "--prefix",
                                                "So",
                                                "--suppress-tokens",
                                                "-1,7",
                                                "b.wav",
                                                "--no-suppress-blank",
                                                "--sequential",
                                                "--max-initial-timestamp",
                                                "2"});
  const auto& decoding = command.file.decoding;
  EXPECT_EQ(decoding.search.beam_size, 2);
  EXPECT_EQ(decoding.search.best_of, 3);
  EXPECT_FLOAT_EQ(decoding.search.patience, 1.5f);
  EXPECT_FLOAT_EQ(decoding.search.length_penalty, -0.5f);
  EXPECT_FLOAT_EQ(decoding.search.repetition_penalty, 1.2f);
  EXPECT_EQ(decoding.search.no_repeat_ngram_size, 4);
  EXPECT_THAT(decoding.search.temperatures, ElementsAre(0, 0.5f));
  EXPECT_EQ(decoding.search.seed, 7u);
  EXPECT_FLOAT_EQ(decoding.thresholds.compression_ratio, 2);
  EXPECT_FLOAT_EQ(decoding.thresholds.avg_logprob, -0.7f);
  EXPECT_FLOAT_EQ(decoding.thresholds.no_speech_prob, 0.5f);
  EXPECT_EQ(decoding.initial_prompt, "Dear Ms Ng,");
  EXPECT_EQ(decoding.hotwords, "stenod");
  EXPECT_EQ(decoding.prefix, "So");
  EXPECT_EQ(decoding.suppress_tokens, (std::vector<int>{-1, 7}));
  EXPECT_FALSE(decoding.suppress_blank);
  EXPECT_EQ(decoding.max_initial_timestamp_s, 2);
  EXPECT_THAT(command.files, ElementsAre("a.wav", "b.wav")) << "a list ends with its value";
}

TEST_F(CommandLineTest, FlagsWinOverEnvironmentAndThatOverOlderNames) {
  ::setenv("MODEL_SIZE", "small", 1);
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model, "small");
  ::setenv("STENOD_MODEL", "tiny.en", 1);
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model, "tiny.en");
  EXPECT_EQ(transcribe({"transcribe", "--model", "base", "a"}).engine.model, "base");
  ::setenv("STENOD_MODEL", "", 1);
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model, "small") << "an empty variable counts as none";

  ::setenv("STENOD_THREADS", "7", 1);
  ::setenv("STENOD_COMPUTE_TYPE", "f32", 1);
  ::setenv("STENOD_MAX_ISA", "avx2", 1);
  const TranscribeCommand from_environment = transcribe({"transcribe", "a"});
  EXPECT_EQ(from_environment.engine.num_threads, 7);
  EXPECT_EQ(from_environment.engine.compute_type, compute::ComputeType::kFloat32);
  EXPECT_EQ(from_environment.engine.max_isa, compute::Isa::kAvx2);
  const TranscribeCommand from_flags =
      transcribe({"transcribe", "--threads", "2", "--compute-type", "int8", "--max-isa", "amx", "a"});
  EXPECT_EQ(from_flags.engine.num_threads, 2);
  EXPECT_EQ(from_flags.engine.compute_type, compute::ComputeType::kInt8);
  EXPECT_EQ(from_flags.engine.max_isa, compute::Isa::kAmx);
}

TEST_F(CommandLineTest, WrongEnvironmentIsAnError) {
  ::setenv("STENOD_THREADS", "many", 1);
  EXPECT_EQ(usage({"transcribe", "a"}).status, 2);
  ::unsetenv("STENOD_THREADS");
  ::setenv("STENOD_COMPUTE_TYPE", "int3", 1);
  EXPECT_THAT(usage({"transcribe", "a"}).text, HasSubstr("int3"));
}

TEST_F(CommandLineTest, ErrorsNameTheVariableThatIsWrong) {
  for (const char* name :
       {"STENOD_THREADS", "STENOD_COMPUTE_TYPE", "STENOD_MAX_ISA", "STENOD_DEVICE", "DEVICE", "STENOD_LOG_LEVEL"}) {
    ::setenv(name, "wrong", 1);
    EXPECT_THAT(usage({"transcribe", "a"}).text, StartsWith(std::string("error: ") + name + ':'));
    ::unsetenv(name);
  }
  ::setenv("STENOD_THREADS", "many", 1);
  EXPECT_THAT(usage({"transcribe", "--threads", "few", "a"}).text, StartsWith("error: --threads: 'few' is no number"));
  ::unsetenv("STENOD_THREADS");
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model_source, "--model");
  ::setenv("MODEL_SIZE", "small", 1);
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model_source, "MODEL_SIZE");
  ::setenv("STENOD_MODEL", "small", 1);
  EXPECT_EQ(transcribe({"transcribe", "a"}).engine.model_source, "STENOD_MODEL");
  EXPECT_EQ(transcribe({"transcribe", "--model", "base", "a"}).engine.model_source, "--model");
}

TEST_F(CommandLineTest, NeverFallsBackFromAnotherDevice) {
  for (const char* name : {"DEVICE", "STENOD_DEVICE"}) {
    ::setenv(name, "cuda", 1);
    const UsageExit refused = usage({"transcribe", "a"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.text, HasSubstr("not_supported")) << name;
    ::setenv(name, "abacus", 1);
    EXPECT_THAT(usage({"transcribe", "a"}).text, HasSubstr("abacus"));
    ::setenv(name, "cpu", 1);
    transcribe({"transcribe", "a"});
    ::unsetenv(name);
  }
  EXPECT_THAT(usage({"doctor", "--device", "cuda"}).text, HasSubstr("not_supported"));
  ::setenv("DEVICE", "cuda", 1);
  transcribe({"transcribe", "--device", "cpu", "a"});
}

TEST_F(CommandLineTest, WrongUsage) {
  for (const auto& arguments : std::initializer_list<std::initializer_list<const char*>>{
           {},
           {"nosuchcommand"},
           {"transcribe"},
           {"transcribe", "--nosuchoption", "a"},
           {"transcribe", "--format", "doc", "a"},
           {"transcribe", "--language", "klingon", "a"},
           {"transcribe", "--task", "summarise", "a"},
           {"transcribe", "--channels", "left", "a"},
           {"transcribe", "--threads", "-1", "a"},
           {"transcribe", "--threads", "257", "a"},
           {"transcribe", "--jobs", "0", "a"},
           {"transcribe", "--beam-size", "0", "a"},
           {"transcribe", "--beam-size", "9", "a"},
           {"transcribe", "--temperature", "0,warm", "a"},
           {"transcribe", "--log-prob-threshold", "1", "a"},
           {"transcribe", "--patience", "0", "a"},
           {"transcribe", "--max-isa", "mmx", "a"},
           {"transcribe", "--log-level", "loud", "a"},
           {"model"},
           {"model", "pull"},
           {"model", "nosuchverb"},
           {"model", "list", "base"},
           {"bench"},
           {"bench", "file"},
           {"bench", "file", "--repeat", "0", "a"},
           {"doctor", "a"},
       }) {
    const UsageExit refused = usage(arguments);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.text, HasSubstr("error: "));
    EXPECT_THAT(refused.text, HasSubstr("--help"));
  }
}

TEST_F(CommandLineTest, WrongUsageSaysWhatToDo) {
  const std::string here = std::filesystem::current_path();
  std::string folder = ::testing::TempDir() + "/stenod_usage_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::filesystem::current_path(folder);
  std::ofstream("talk.mp3") << "x";
  std::ofstream("-dash.wav") << "x";
  EXPECT_THAT(usage({"foo"}).text, StartsWith("error: unknown command 'foo'\n"));
  EXPECT_THAT(usage({"model", "foo"}).text, StartsWith("error: unknown command 'foo'\n"));
  EXPECT_THAT(usage({"talk.mp3"}).text, HasSubstr("stenod transcribe talk.mp3\n"));
  EXPECT_THAT(usage({"transcribe", "-dash.wav"}).text, HasSubstr("./-dash.wav\n"));
  EXPECT_THAT(usage({"transcribe", "--nosuchoption"}).text, StartsWith("error: unknown option '--nosuchoption'\n"));
  EXPECT_THAT(usage({"evil\x1b[2J"}).text, HasSubstr("'evil\\x1b[2J'"));
  std::filesystem::current_path(here);
  std::filesystem::remove_all(folder);

  EXPECT_THAT(usage({"transcribe", "--threads", "2x", "a"}).text, StartsWith("error: --threads: '2x' is no number"));
  EXPECT_THAT(usage({"transcribe", "--jobs", "0", "a"}).text, StartsWith("error: --jobs: '0' is out of range"));
  EXPECT_THAT(usage({"transcribe", "--jobs", "99999999999", "a"}).text, HasSubstr("out of range, expected 1 to 256"));
}

TEST_F(CommandLineTest, SeveralFilesNeedAFormatThatCanFollowItself) {
  for (const char* format : {"json", "vtt", "srt", "tsv"}) {
    EXPECT_THAT(usage({"transcribe", "--format", format, "a", "b"}).text, HasSubstr("--format jsonl or --output-dir"));
    transcribe({"transcribe", "--format", format, "a"});
    transcribe({"transcribe", "--format", format, "--output-dir", "out", "a", "b"});
  }
  for (const char* format : {"text", "jsonl"}) transcribe({"transcribe", "--format", format, "a", "b"});
}

TEST_F(CommandLineTest, SeveralFormatsGoToAFolder) {
  using enum text::Format;
  EXPECT_THAT(transcribe({"transcribe", "--format", "srt,json,srt", "--output-dir", "out", "a"}).formats,
              ElementsAre(kSrt, kJson));
  EXPECT_THAT(transcribe({"transcribe", "--format", "all", "--output-dir", "out", "a", "b"}).formats,
              ElementsAre(kText, kJson, kJsonl, kSrt, kVtt, kTsv));
  EXPECT_THAT(usage({"transcribe", "--format", "srt,vtt", "a"}).text, HasSubstr("use --output-dir"));
  for (const char* format : {"", ",", "srt,", ",srt", "srt,doc", "srt, vtt", "all,srt", "ALL"}) {
    EXPECT_THAT(usage({"transcribe", "--format", format, "--output-dir", "out", "a"}).text, HasSubstr("--format"))
        << format;
  }
}

TEST_F(CommandLineTest, SubtitlesNeedTheTimesOfWords) {
  const TranscribeCommand lines =
      transcribe({"transcribe", "--format", "srt", "--max-line-width", "42", "--max-line-count", "2", "a"});
  EXPECT_EQ(lines.layout.subtitles.max_line_width, 42);
  EXPECT_EQ(lines.layout.subtitles.max_line_count, 2);
  EXPECT_TRUE(lines.file.word_timestamps);
  EXPECT_FALSE(lines.layout.words) << "JSON holds them only when asked to";
  const TranscribeCommand words = transcribe({"transcribe", "--format", "json,vtt", "--output-dir", "out",
                                              "--max-words-per-line", "3", "--word-timestamps", "a"});
  EXPECT_EQ(words.layout.subtitles.max_words_per_line, 3);
  EXPECT_TRUE(words.layout.words && words.file.word_timestamps);
  const TranscribeCommand highlighted = transcribe({"transcribe", "--format", "vtt", "--highlight-words", "a"});
  EXPECT_TRUE(highlighted.layout.subtitles.highlight_words && highlighted.file.word_timestamps);

  EXPECT_THAT(usage({"transcribe", "--format", "srt", "--max-line-count", "2", "a"}).text,
              HasSubstr("--max-line-width"));
  for (const char* format : {"text", "json", "jsonl", "tsv"}) {
    EXPECT_THAT(usage({"transcribe", "--format", format, "--highlight-words", "a"}).text, HasSubstr("use srt or vtt"));
  }
  for (const char* option : {"--max-line-width", "--max-line-count", "--max-words-per-line"}) {
    for (const char* value : {"0", "-1", "1001", "x", "1.5", ""}) {
      EXPECT_THAT(usage({"transcribe", "--format", "srt", "--max-line-width", "9", option, value, "a"}).text,
                  HasSubstr(option))
          << value;
    }
  }
}

TEST_F(CommandLineTest, PunctuationOfWords) {
  const auto prepended = transcribe({"transcribe", "--prepend-punctuations", "«", "a"}).file.punctuations;
  EXPECT_EQ(prepended, (text::Punctuations{.prepended = "«"}));
  const auto appended = transcribe({"transcribe", "--append-punctuations", "", "a"}).file.punctuations;
  EXPECT_EQ(appended, (text::Punctuations{.appended = ""}));
  EXPECT_THAT(usage({"transcribe", "--append-punctuations", std::string(257, '.').c_str(), "a"}).text,
              HasSubstr("--append-punctuations"));
}

TEST_F(CommandLineTest, WhatIsNotBuiltYetSaysSo) {
  for (const auto& arguments : std::initializer_list<std::initializer_list<const char*>>{
           {"worker"},
           {"plan"},
       }) {
    const UsageExit refused = usage(arguments);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.text, HasSubstr("(not_supported)"));
  }
}

TEST_F(CommandLineTest, EvalTakesTheOptionsOfTranscribe) {
  const auto eval = [](std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
      ADD_FAILURE() << usage->text;
      return EvalCommand();
    }
    return std::get<EvalCommand>(std::get<CommandLine>(parsed).command);
  };
  const EvalCommand plain = eval({"eval", "set.jsonl"});
  EXPECT_EQ(plain.manifest, "set.jsonl");
  EXPECT_TRUE(plain.language_from_manifest);
  EXPECT_FALSE(plain.file.language);
  EXPECT_TRUE(plain.json.empty() && plain.against.empty() && plain.hypotheses.empty() && plain.output.empty());
  EXPECT_THAT(plain.only, ElementsAre());
  EXPECT_EQ(plain.limit, 0u);
  EXPECT_THAT(plain.options, ::testing::Contains(std::pair<std::string, std::string>("model", "base")));
  EXPECT_THAT(plain.options, ::testing::Contains(std::pair<std::string, std::string>("language", "given")));

  const EvalCommand all =
      eval({"eval",   "--model", "tiny.en",   "--language", "auto",     "--no-vad", "--threads", "3",
            "--jobs", "4",       "--only",    "en",         "--only",   "long/es",  "--limit",   "9",
            "--json", "a.json",  "--against", "b.json",     "--output", "c.jsonl",  "set.jsonl", "--quiet"});
  EXPECT_EQ(all.engine.model, "tiny.en");
  EXPECT_EQ(all.engine.num_threads, 3);
  EXPECT_FALSE(all.language_from_manifest);
  EXPECT_FALSE(all.file.language);
  EXPECT_FALSE(all.file.vad);
  EXPECT_EQ(all.num_jobs, 4u);
  EXPECT_THAT(all.only, ElementsAre("en", "long/es"));
  EXPECT_EQ(all.limit, 9u);
  EXPECT_EQ(all.json, "a.json");
  EXPECT_EQ(all.against, "b.json");
  EXPECT_EQ(all.output, "c.jsonl");
  EXPECT_EQ(all.manifest, "set.jsonl");
  EXPECT_TRUE(all.quiet);
  EXPECT_THAT(all.options, ::testing::Contains(std::pair<std::string, std::string>("model", "tiny.en")));
  EXPECT_THAT(all.options, ::testing::Contains(std::pair<std::string, std::string>("no-vad", "true")));
  for (const auto& [name, value] : all.options)
    EXPECT_THAT(name, ::testing::Not(::testing::AnyOf("json", "only", "quiet")));

  EXPECT_EQ(eval({"eval", "set.jsonl", "--language", "German"}).file.language, "de");
  EXPECT_TRUE(eval({"eval", "set.jsonl", "--language", "given"}).language_from_manifest);
  EXPECT_FALSE(eval({"eval", "set.jsonl", "--multilingual"}).language_from_manifest);
  EXPECT_THAT(usage({"eval", "set.jsonl", "--language", "xx"}).text, HasSubstr("unknown language 'xx'"));
  EXPECT_THAT(usage({"transcribe", "a.wav", "--language", "given"}).text, HasSubstr("unknown language 'given'"));
  EXPECT_THAT(usage({"eval", "set.jsonl", "--hypotheses", "a", "--output", "b"}).text, HasSubstr("--output: with"));
  EXPECT_EQ(usage({"eval"}).status, 2);
  EXPECT_EQ(usage({"eval", "set.jsonl", "--limit", "-1"}).status, 2);
}

TEST_F(CommandLineTest, ServeTakesEverySettingAsAnOption) {
  const auto serve = [](std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
      ADD_FAILURE() << usage->text;
      return ServeCommand();
    }
    return std::get<ServeCommand>(std::get<CommandLine>(parsed).command);
  };
  const auto file = std::filesystem::temp_directory_path() / "stenod_command_line_test.toml";
  std::ofstream(file) << "[live]\nmin_speech_ms = 250\nsilence_ms = 600\n";
  const std::string config = file.string();
  const ServeCommand command =
      serve({"serve", "--config", config.c_str(), "--listen", "[::1]:0", "--live-silence-ms=700", "--live-log-text",
             "--model", "tiny.en", "--threads", "2", "--server-trusted-proxies", "10.0.0.0/8,::1"});
  EXPECT_EQ(command.settings.values.server.listen, "[::1]:0");
  EXPECT_EQ(command.settings.values.live.silence_ms, 700);
  EXPECT_EQ(command.settings.values.live.min_speech_ms, 250);
  EXPECT_TRUE(command.settings.values.live.log_text);
  EXPECT_EQ(command.settings.values.engine.model, "tiny.en");
  EXPECT_EQ(command.settings.values.engine.threads, 2);
  EXPECT_THAT(command.settings.values.server.trusted_proxies, ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_FALSE(command.print_config);
  EXPECT_TRUE(serve({"serve", "--config", config.c_str(), "--print-config"}).print_config);
  EXPECT_EQ(serve({"serve", "--config", config.c_str(), "--live-silence-ms", "1000", "--live-silence-ms", "900"})
                .settings.values.live.silence_ms,
            900);
  EXPECT_FALSE(serve({"serve", "--config", config.c_str(), "--live-log-text=false"}).settings.values.live.log_text);

  const UsageExit wrong = usage({"serve", "--config", config.c_str(), "--live-silence", "5", "--log-format", "xml", "x",
                                 "--server-max-connections", "0", "--live-log-text=maybe"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.text, HasSubstr("unknown option --live-silence; did you mean --live-silence-ms?\n"));
  EXPECT_THAT(wrong.text, HasSubstr("error: --log-format: \"xml\" is not allowed, expected one of text, json\n"));
  EXPECT_THAT(wrong.text, HasSubstr("error: --server-max-connections: 0 is not allowed"));
  EXPECT_THAT(wrong.text, HasSubstr("error: --live-log-text: \"maybe\" is not allowed, expected true or false\n"));
  EXPECT_THAT(wrong.text, HasSubstr("unknown option x\n"));
  EXPECT_THAT(usage({"serve", "--config", config.c_str(), "--device", "cuda"}).text, HasSubstr("(not_supported)"));
  EXPECT_EQ(usage({"serve", "--config"}).status, 2);
  EXPECT_EQ(usage({"serve", "--listen"}).status, 2);
  const UsageExit help = usage({"serve", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr("--live-silence-ms"));
  EXPECT_THAT(help.text, HasSubstr("[live]"));
  std::filesystem::remove(file);
}

TEST_F(CommandLineTest, Keys) {
  const auto key = [](std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
      ADD_FAILURE() << usage->text;
      return KeyCommand();
    }
    return std::get<KeyCommand>(std::get<CommandLine>(parsed).command);
  };
  const auto create = std::get<CreateKey>(key({"key", "create", "Call centre", "--streams", "20", "--minutes-per-day",
                                               "90.5", "--admin", "--expires", "2100-12-31"})
                                              .action)
                          .key;
  EXPECT_EQ(create.name, "Call centre");
  EXPECT_EQ(create.limits.streams, 20);
  EXPECT_EQ(create.limits.audio_minutes_per_day, 90.5);
  EXPECT_TRUE(create.is_admin);
  EXPECT_EQ(create.expires_at, access::TimePoint(std::chrono::seconds(4133980800)));
  const auto plain = std::get<CreateKey>(key({"key", "create", "a"}).action).key;
  EXPECT_EQ(plain.limits.streams, 0);
  EXPECT_FALSE(plain.is_admin);
  EXPECT_FALSE(plain.expires_at);
  EXPECT_TRUE(std::get<ListKeys>(key({"key", "list", "--json"}).action).json);
  EXPECT_EQ(std::get<RevokeKey>(key({"key", "revoke", "abcdefgh"}).action).id, "abcdefgh");

  for (const auto& arguments : std::initializer_list<std::initializer_list<const char*>>{
           {"key"},
           {"key", "create"},
           {"key", "create", "a", "b"},
           {"key", "create", "a", "--streams", "-1"},
           {"key", "create", "a", "--streams", "many"},
           {"key", "create", "a", "--minutes-per-day", "-1"},
           {"key", "create", "a", "--minutes-per-day", "nan"},
           {"key", "create", "a", "--expires", "soon"},
           {"key", "revoke"},
           {"key", "steal", "a"},
       }) {
    EXPECT_EQ(usage(arguments).status, 2);
  }
}

TEST(Expiry, IsADayOrADuration) {
  const access::TimePoint now{std::chrono::seconds(1800000000)};
  EXPECT_EQ(*parse_expiry("2027-01-15", now), access::TimePoint(std::chrono::seconds(1800057600))) << "the day's end";
  EXPECT_EQ(*parse_expiry("2028-02-29", now), access::TimePoint(std::chrono::sys_days(std::chrono::March / 1 / 2028)));
  EXPECT_EQ(*parse_expiry("30d", now), now + std::chrono::days(30));
  EXPECT_EQ(*parse_expiry("12h", now), now + std::chrono::hours(12));
  for (const char* text :
       {"", "d", "0d", "-1d", "1.5d", "30", "30m", "1234567d", "2027-02-29", "2027-13-01", "2027-1-1", "27-01-01",
        "2027/01/01", "202a-01-01", "-027-01-01", "2027-01-1x", "2027--1-01"}) {
    const auto expiry = parse_expiry(text, now);
    ASSERT_FALSE(expiry.ok()) << text;
    EXPECT_EQ(expiry.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(CommandLineTest, HelpAndVersionGoToStandardOutput) {
  EXPECT_EQ(usage({"--version"}).status, 0);
  EXPECT_THAT(usage({"--version"}).text, ::testing::MatchesRegex("stenod [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_THAT(usage({"--help"}).text, HasSubstr("transcribe"));
  const UsageExit help = usage({"transcribe", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr("--word-timestamps"));
  EXPECT_THAT(help.text, HasSubstr("Examples:"));
}

TEST_F(CommandLineTest, OtherCommands) {
  const auto pull = parse({"model", "pull", "--quiet", "base", "silero-vad"});
  const auto& model = std::get<ModelCommand>(std::get<CommandLine>(pull).command);
  EXPECT_EQ(model.action, ModelAction::kPull);
  EXPECT_TRUE(model.quiet);
  EXPECT_THAT(model.names, ElementsAre("base", "silero-vad"));

  const auto measured = parse({"bench", "file", "--json", "--repeat", "11", "--language", "en", "clip.wav"});
  const auto& bench = std::get<BenchFileCommand>(std::get<CommandLine>(measured).command);
  EXPECT_TRUE(bench.json);
  EXPECT_EQ(bench.num_repeats, 11);
  EXPECT_EQ(bench.file.language, "en");

  const auto examined = parse({"doctor", "--max-isa", "avx2", "--json", "--log-level", "debug"});
  EXPECT_EQ(std::get<CommandLine>(examined).log_level, "debug");
  const auto& doctor = std::get<DoctorCommand>(std::get<CommandLine>(examined).command);
  EXPECT_TRUE(doctor.json);
  EXPECT_EQ(doctor.engine.max_isa, compute::Isa::kAvx2);
}

}  // namespace
}  // namespace stenod::app
