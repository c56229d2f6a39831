#include "app/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "app/console.h"
#include "app/decoding_options.h"
#include "app/option_checks.h"
#include "app/serve_options.h"
#include "text/language.h"

namespace stenod::app {
namespace {

constexpr int kMaxThreads = 256;

constexpr const char* kExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --format srt --output-dir subtitles/ *.mp4
  stenod model pull base
  stenod serve
  stenod doctor

'stenod COMMAND --help' says more about each.)";

constexpr const char* kTranscribeExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --language de --format vtt vortrag.webm > vortrag.vtt
  stenod transcribe --word-timestamps --format jsonl interview.m4a
  stenod transcribe --channels split --format json call.wav
  stenod transcribe --format srt --output-dir subtitles/ *.mp4
  stenod transcribe --format srt --max-line-width 42 --max-line-count 2 film.mkv

The text goes to standard output, in the order of the files; messages go to
standard error. The exit status is 0 when every file was transcribed, 1 when any
failed, 2 for wrong usage, 130 or 143 after an interruption.)";

constexpr const char* kModelExamples = R"(Examples:
  stenod model list
  stenod model pull base
  stenod model pull Systran/faster-whisper-small@main
  stenod model info base)";

constexpr const char* kKeyExamples = R"(Examples:
  stenod key create "Call centre" --streams 20 --minutes-per-day 6000
  stenod key create operations --admin
  stenod key create trial --expires 30d
  stenod key list
  stenod key revoke k7w2mq5d

Run it as the user that the server runs as: both use the same folder
(STENOD_DATA_DIR). A running server sees changes within seconds.)";

constexpr const char* kBenchExamples = R"(Example:
  stenod bench file --repeat 11 clip.wav)";

constexpr const char* kEvalExamples = R"(Examples:
  stenod eval set/manifest.jsonl
  stenod eval set/manifest.jsonl --only telephone/en --only long --json now.json
  stenod eval set/manifest.jsonl --json new.json --against now.json --beam-size 1
  stenod eval set/manifest.jsonl --hypotheses other.jsonl

docs/eval.md describes the manifest and says how to read the figures. The exit
status is 0 when every recording was transcribed, 1 when any failed, 2 for wrong
usage, 130 or 143 after an interruption.)";

/// A language of `stenod eval`: what the manifest says.
constexpr const char* kGivenLanguage = "given";

/// Values as they were typed, until all is known to be right. One for each command: CLI11 also sets the variables of
/// the environment on options of commands that were not called.
struct RawOptions {
  std::string log_level = "info";
  std::string device = "auto";
  std::string compute_type = "auto";
  std::string max_isa = "auto";
  std::string language = "auto";
  std::string task = "transcribe";
  std::string channels = "mix";
  std::string format = "text";
  std::string condition_on_previous_text;
  bool no_vad = false;
};

void add_log_level(CLI::App& app, RawOptions& raw) {
  app.add_option("--log-level", raw.log_level, "Least important messages to show")
      ->envname("STENOD_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->type_name("LEVEL")
      ->capture_default_str();
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

void add_engine_options(CLI::App& app, EngineSettings& settings, RawOptions& raw) {
  settings.model = environment("MODEL_SIZE").value_or(settings.model);
  raw.device = environment("DEVICE").value_or(raw.device);
  app.add_option("--model", settings.model, "Installed model, or the folder or file of one")
      ->envname("STENOD_MODEL")
      ->type_name("NAME|PATH")
      ->capture_default_str();
  app.add_option("--threads", settings.num_threads, "Cores to use; 0: all that the process may use")
      ->envname("STENOD_THREADS")
      ->check(whole_number(0, kMaxThreads))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--compute-type", raw.compute_type, "How products are computed; auto is int8")
      ->envname("STENOD_COMPUTE_TYPE")
      ->check(CLI::IsMember({"auto", "int8", "bf16", "f32"}))
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--max-isa", raw.max_isa, "Widest instructions to use")
      ->envname("STENOD_MAX_ISA")
      ->check(CLI::IsMember({"auto", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"}))
      ->type_name("ISA")
      ->capture_default_str();
  app.add_option("--device", raw.device, "Where to compute: auto or cpu")
      ->envname("STENOD_DEVICE")
      ->type_name("DEVICE")
      ->capture_default_str();
}

void add_language_detection_options(CLI::App& app, transcribe::FileOptions& file) {
  app.add_flag("--multilingual", file.multilingual, "Detect the language of every window");
  app.add_option("--language-detection-segments", file.language_detection_segments,
                 "Windows of speech that vote on the language")
      ->check(whole_number(1, transcribe::kMaxDetectionSegments))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--language-detection-threshold", file.language_detection_threshold,
                 "A language detected with more than this needs no further votes")
      ->check(number(0, 1))
      ->type_name("P")
      ->capture_default_str();
}

void add_sequential_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw) {
  constexpr const char* kGroup = "Sequential";
  app.add_flag("--sequential", file.sequential, "One window of 30 s after the other, as Whisper was published; slower")
      ->group(kGroup);
  app.add_option("--condition-on-previous-text", raw.condition_on_previous_text,
                 "Give each window the text before it; with --sequential true unless said otherwise")
      ->check(CLI::IsMember({"true", "false"}))
      ->type_name("BOOL")
      ->group(kGroup);
  app.add_option("--prompt-reset-on-temperature", file.prompt_reset_on_temperature,
                 "Forget the text before behind a window with a higher temperature")
      ->check(number(0, 10))
      ->type_name("T")
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--hallucination-silence-threshold", file.hallucination_silence_threshold_s,
                 "With --word-timestamps: skip longer silence where text seems to be made up about it")
      ->check(number(0, 3600))
      ->type_name("SECONDS")
      ->group(kGroup);
}

void add_file_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw) {
  const auto is_language = [also = raw.language](const std::string& value) -> std::string {
    if (value == "auto" || value == also || text::find_language(value) != nullptr) return {};
    return fmt::format("unknown language '{}', expected auto or a code such as en, de, zh", value);
  };
  app.add_option("--language", raw.language, "What is spoken, for instance en; auto finds out")
      ->check(CLI::Validator(is_language, ""))
      ->type_name("CODE|auto")
      ->capture_default_str();
  app.add_option("--task", raw.task, "Write what is said, or its English translation")
      ->check(CLI::IsMember({"transcribe", "translate"}))
      ->type_name("TASK")
      ->capture_default_str();
  app.add_flag("--no-vad", raw.no_vad, "Take everything for speech");
  app.add_flag("--word-timestamps", file.word_timestamps, "Start, end and probability of each word");
  app.add_option("--channels", raw.channels, "All channels mixed, or the text of each apart")
      ->check(CLI::IsMember({"mix", "split"}))
      ->type_name("MODE")
      ->capture_default_str();
  app.add_flag("--full-window", file.full_window, "Encode 30 s for every window, as Whisper was trained; slower");
  app.add_option("--clip-timestamps", file.clip_timestamps,
                 "Parts to transcribe, in seconds; the last END may be missing")
      ->delimiter(',')
      ->type_name("START,END,...");
  add_language_detection_options(app, file);
  add_sequential_options(app, file, raw);
  add_decoding_options(app, file.decoding);
}

/// Names what gave an option its value: the option where it was typed, else the variable of the environment.
std::string source_of(const CLI::App& app, const CLI::Option* option, const char* older_variable = nullptr) {
  const auto& typed = app.parse_order();
  if (std::find(typed.begin(), typed.end(), option) == typed.end()) {
    if (environment(option->get_envname().c_str())) return option->get_envname();
    if (older_variable != nullptr && environment(older_variable)) return older_variable;
  }
  return option->get_name();
}

/// What is wrong, or nothing. `code` for programs, where there is one.
std::optional<UsageExit> wrong(std::string_view message, std::optional<ErrorCode> code = std::nullopt) {
  const std::string code_text = code ? fmt::format(" ({})", error_name(*code)) : "";
  return UsageExit{2, fmt::format("error: {}{}\n", printable(message), code_text)};
}

std::optional<UsageExit> finish_engine(const CLI::App& app, const RawOptions& raw, EngineSettings& settings) {
  settings.model_source = source_of(app, app.get_option("--model"), "MODEL_SIZE");
  const std::string device_source = source_of(app, app.get_option("--device"), "DEVICE");
  if (raw.device == "cuda") {
    return wrong(fmt::format("{}: this build computes on CPUs only, expected auto or cpu", device_source),
                 ErrorCode::kNotSupported);
  }
  if (raw.device != "auto" && raw.device != "cpu") {
    return wrong(fmt::format("{}: unknown device '{}', expected auto or cpu", device_source, raw.device));
  }
  static const std::map<std::string_view, compute::ComputeType> kTypes = {{"int8", compute::ComputeType::kInt8},
                                                                          {"bf16", compute::ComputeType::kBFloat16},
                                                                          {"f32", compute::ComputeType::kFloat32}};
  if (const auto type = kTypes.find(raw.compute_type); type != kTypes.end()) settings.compute_type = type->second;
  if (raw.max_isa != "auto") {
    const auto isa = compute::parse_isa(raw.max_isa);
    if (!isa) return wrong(isa.error().message);
    settings.max_isa = *isa;
  }
  return std::nullopt;
}

/// The formats of "all" or a list such as "srt,json", each once. Nothing where one is unknown.
std::vector<text::Format> parse_formats(std::string_view names) {
  std::vector<text::Format> formats;
  if (names == "all") {
    const auto all = text::all_formats();
    return {all.begin(), all.end()};
  }
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const auto format = text::parse_format(names.substr(begin, end - begin));
    if (!format) return {};
    if (std::find(formats.begin(), formats.end(), *format) == formats.end()) formats.push_back(*format);
    begin = end + 1;
  }
  return formats;
}

std::optional<UsageExit> finish_format(const RawOptions& raw, TranscribeCommand& command) {
  command.formats = parse_formats(raw.format);
  command.layout.words = command.file.word_timestamps;
  if (command.layout.subtitles.need_words()) {
    if (std::none_of(command.formats.begin(), command.formats.end(), text::is_subtitles)) {
      return wrong(
          fmt::format("--format {}: lines and highlighted words are of subtitles; use srt or vtt", raw.format));
    }
    command.file.word_timestamps = true;
  }
  if (command.formats.size() > 1 && command.output_dir.empty()) {
    return wrong(fmt::format("--format {}: one output can't hold several formats; use --output-dir", raw.format));
  }
  const text::Format format = command.formats.front();
  const bool can_follow_itself = format == text::Format::kText || format == text::Format::kJsonl;
  if (command.files.size() > 1 && command.output_dir.empty() && !can_follow_itself) {
    return wrong(fmt::format("--format {}: one output can't hold several files; use --format jsonl or --output-dir",
                             raw.format));
  }
  return std::nullopt;
}

std::optional<UsageExit> finish_file(const RawOptions& raw, transcribe::FileOptions& file) {
  if (raw.language != "auto") file.language = std::string(text::find_language(raw.language)->code);
  if (raw.task == "translate") file.task = whisper::Task::kTranslate;
  file.vad = !raw.no_vad;
  file.split_channels = raw.channels == "split";
  if (!raw.condition_on_previous_text.empty()) {
    file.condition_on_previous_text = raw.condition_on_previous_text == "true";
  }
  if (const Status checked = transcribe::check_options(file); !checked) {
    return wrong(checked.error().message, checked.error().code);
  }
  return std::nullopt;
}

/// What CLI11 says, in better words where it has none.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const std::string what = error.what();
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (what.starts_with(name + ':')) return source_of(app, option) + what.substr(name.size());
  }
  // Anything unknown may also be why something else is missing.
  for (const std::string& word : app.remaining()) {
    std::error_code ignored;
    const bool is_file = std::filesystem::exists(word, ignored);
    if (word.starts_with('-')) {
      return fmt::format("unknown option '{}'{}", word, is_file ? "; the file is given as ./" + word : "");
    }
    if (app.get_require_subcommand_min() > 0) {
      return fmt::format("unknown command '{}'{}", word,
                         is_file ? "; to transcribe the file: stenod transcribe " + word : "");
    }
  }
  return what;
}

UsageExit usage_exit(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    std::ostringstream out;
    app.exit(error, out, out);
    return {0, out.str()};
  }
  std::string command = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    command += ' ' + at->get_name();
  }
  return {2, fmt::format("error: {}\nSee: {} --help\n", printable(usage_problem(*at, error)), command)};
}

void add_subtitle_options(CLI::App& app, TranscribeCommand& command) {
  text::SubtitleOptions& subtitles = command.layout.subtitles;
  constexpr const char* kGroup = "Subtitles (srt, vtt), by the times of words";
  CLI::Option* const width = app.add_option("--max-line-width", subtitles.max_line_width, "Characters in a line")
                                 ->check(whole_number(1, text::kMaxLineWidth))
                                 ->type_name("N")
                                 ->group(kGroup);
  app.add_option("--max-line-count", subtitles.max_line_count,
                 "Lines in a cue, which is then filled across segments; with --max-line-width")
      ->check(whole_number(1, text::kMaxLineCount))
      ->type_name("N")
      ->needs(width)
      ->group(kGroup);
  app.add_option("--max-words-per-line", subtitles.max_words_per_line, "Words in a cue")
      ->check(whole_number(1, text::kMaxWordsPerLine))
      ->type_name("N")
      ->group(kGroup);
  app.add_flag("--highlight-words", subtitles.highlight_words, "Underline each word while it is spoken")->group(kGroup);
}

void add_punctuation_options(CLI::App& app, transcribe::FileOptions& file) {
  const auto add = [&](const char* name, std::string text::Punctuations::*marks, const char* what) {
    app.add_option_function<std::string>(
           name,
           [&file, marks](const std::string& typed) {
             if (!file.punctuations) file.punctuations.emplace();
             (*file.punctuations).*marks = typed;
           },
           what)
        ->check(CLI::Validator(
            [](const std::string& typed) {
              return typed.size() <= text::kMaxPunctuationBytes
                         ? std::string()
                         : fmt::format("{} bytes, expected at most {}", typed.size(), text::kMaxPunctuationBytes);
            },
            ""))
        ->type_name("MARKS")
        ->default_str(std::string(text::Punctuations().*marks));
  };
  add("--prepend-punctuations", &text::Punctuations::prepended, "Marks that are part of the word after them");
  add("--append-punctuations", &text::Punctuations::appended, "Marks that are part of the word before them");
}

CLI::App* add_transcribe(CLI::App& app, TranscribeCommand& command, RawOptions& raw) {
  CLI::App* const added =
      app.add_subcommand("transcribe", "Transcribe recordings: anything that FFmpeg reads, of any length");
  added->footer(kTranscribeExamples);
  added->add_option("FILE", command.files, "Audio or video files")->required();
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  add_punctuation_options(*added, command.file);
  const auto are_formats = [](const std::string& typed) -> std::string {
    if (!parse_formats(typed).empty()) return {};
    return fmt::format("unknown '{}', expected text, json, jsonl, srt, vtt or tsv; or some of them with commas, or all",
                       typed);
  };
  added->add_option("--format", raw.format, "What is written; several, or all, with --output-dir: srt,json")
      ->check(CLI::Validator(are_formats, ""))
      ->type_name("FORMAT")
      ->capture_default_str();
  add_subtitle_options(*added, command);
  added->add_option("--output-dir", command.output_dir, "Write one file for each recording there")->type_name("DIR");
  added->add_option("--jobs", command.num_jobs, "Files that are transcribed at once")
      ->check(whole_number(1, 256))
      ->type_name("N")
      ->capture_default_str();
  added->add_flag("--quiet", command.quiet, "No progress bar, and no note about files without speech");
  add_log_level(*added, raw);
  return added;
}

CLI::App* add_model(CLI::App& app, ModelCommand& command, RawOptions& raw) {
  CLI::App* const added = app.add_subcommand("model", "Download, list, describe and remove models");
  added->footer(kModelExamples);
  added->require_subcommand(1);
  const auto add_action = [&](ModelAction action, const char* name, const char* what) {
    CLI::App* const action_app = added->add_subcommand(name, what);
    if (action != ModelAction::kList) action_app->add_option("NAME", command.names, "Models")->required();
    if (action == ModelAction::kPull) action_app->add_flag("--quiet", command.quiet, "No progress bar");
    if (action == ModelAction::kList) action_app->add_flag("--json", command.json, "As JSON, for programs");
    add_log_level(*action_app, raw);
    action_app->callback([&command, action] { command.action = action; });
  };
  add_action(ModelAction::kPull, "pull", "Download models by name, or any Whisper of the hub as OWNER/NAME[@REVISION]");
  add_action(ModelAction::kList, "list", "What is installed, and what can be pulled");
  add_action(ModelAction::kInfo, "info", "Sizes, types, licence and checksums of a model");
  add_action(ModelAction::kPath, "path", "The folder of an installed model");
  add_action(ModelAction::kRemove, "rm", "Remove installed models");
  return added;
}

CLI::App* add_doctor(CLI::App& app, DoctorCommand& command, RawOptions& raw) {
  CLI::App* const added =
      app.add_subcommand("doctor", "What this machine can do, what will be used and why, and what is missing");
  add_engine_options(*added, command.engine, raw);
  added->add_flag("--json", command.json, "For programs");
  add_log_level(*added, raw);
  return added;
}

CLI::App* add_bench_file(CLI::App& app, BenchFileCommand& command, RawOptions& raw) {
  CLI::App* const bench = app.add_subcommand("bench", "Measure the speed of this machine");
  bench->footer(kBenchExamples);
  bench->require_subcommand(1);
  CLI::App* const added =
      bench->add_subcommand("file", "Transcribe files again and again, one after the other, and say how long it took");
  added->add_option("FILE", command.files, "Audio or video files")->required();
  added->add_option("--repeat", command.num_repeats, "How often, after once to warm up")
      ->check(whole_number(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  added->add_flag("--json", command.json, "For programs");
  add_log_level(*added, raw);
  return added;
}

CLI::App* add_eval(CLI::App& app, EvalCommand& command, RawOptions& raw) {
  CLI::App* const added = app.add_subcommand("eval", "Transcribe recordings whose text is known, and count the errors");
  added->footer(kEvalExamples);
  // First what says how it is transcribed; finish_eval() keeps these options for the report.
  raw.language = kGivenLanguage;
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  added->get_option("--language")
      ->description("What is spoken: given is what the manifest says; auto finds out")
      ->type_name("given|auto|CODE");
  added->add_option("--jobs", command.num_jobs, "Recordings that are transcribed at once")
      ->check(whole_number(1, 256))
      ->type_name("N")
      ->capture_default_str();
  added->add_option("MANIFEST", command.manifest, "JSON lines: the recordings and their texts")->required();
  added->add_option("--only", command.only, "Some recordings: a kind, a language, or KIND/LANGUAGE; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("WHICH");
  added->add_option("--limit", command.limit, "The first N of them; 0: all")
      ->check(whole_number(0, 100000000))
      ->type_name("N")
      ->capture_default_str();
  added->add_option("--json", command.json, "Write everything there, for programs and for --against")
      ->type_name("FILE");
  added->add_option("--against", command.against, "Compare with what --json wrote before")->type_name("FILE");
  added->add_option("--output", command.output, "Write the transcripts there, as 'transcribe --format jsonl' does")
      ->type_name("FILE");
  added->add_option("--hypotheses", command.hypotheses, "Count the errors of these transcripts (JSON lines) instead")
      ->type_name("FILE");
  added->add_flag("--quiet", command.quiet, "No progress bar");
  add_log_level(*added, raw);
  return added;
}

/// The options up to --jobs with the values that they have.
std::vector<std::pair<std::string, std::string>> transcription_options(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> options;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help") continue;
    std::string value = option->get_default_str();
    if (!option->empty()) value = fmt::format("{}", fmt::join(option->results(), " "));
    if (!value.empty()) options.emplace_back(name, value);
    if (name == "jobs") break;
  }
  return options;
}

std::optional<UsageExit> finish_eval(const CLI::App& app, RawOptions& raw, EvalCommand& command) {
  command.options = transcription_options(app);
  command.language_from_manifest = raw.language == kGivenLanguage;
  if (command.language_from_manifest) raw.language = "auto";
  if (!command.hypotheses.empty() && !command.output.empty()) {
    return wrong("--output: with --hypotheses nothing is transcribed that could be written");
  }
  std::optional<UsageExit> problem = finish_engine(app, raw, command.engine);
  return problem ? problem : finish_file(raw, command.file);
}

CLI::App* add_key(CLI::App& app, KeyCommand& command, RawOptions& raw, std::string& expires) {
  CLI::App* const added = app.add_subcommand("key", "Create, list and revoke the keys of those who use the server");
  added->footer(kKeyExamples);
  added->require_subcommand(1);

  CLI::App* const create = added->add_subcommand("create", "Create a key and print it, this once");
  auto key = std::make_shared<access::NewKey>();
  create->add_option("NAME", key->name, "Whose key it is; for logs and lists")->required();
  create->add_option("--streams", key->limits.streams, "Live streams at once; 0: no limit")
      ->check(whole_number(0, 1000000))
      ->type_name("N")
      ->capture_default_str();
  create
      ->add_option("--minutes-per-day", key->limits.audio_minutes_per_day,
                   "Minutes of audio a day (UTC), live and files; 0: no limit")
      ->check(number(0, 1e9))
      ->type_name("M")
      ->capture_default_str();
  create->add_flag("--admin", key->is_admin, "May also see what others do");
  create->add_option("--expires", expires, "Last day (UTC), or how long: 2027-12-31, 30d, 12h; otherwise never")
      ->type_name("WHEN");
  create->callback([&command, key] { command.action = CreateKey{*key}; });

  CLI::App* const list = added->add_subcommand("list", "All keys, their limits, and what they have used today");
  auto listing = std::make_shared<ListKeys>();
  list->add_flag("--json", listing->json, "For programs");
  list->callback([&command, listing] { command.action = *listing; });

  CLI::App* const revoke = added->add_subcommand("revoke", "End a key's rights, and those of its tokens");
  auto revoked = std::make_shared<RevokeKey>();
  revoke->add_option("ID", revoked->id, "As 'stenod key list' shows it")->required();
  revoke->callback([&command, revoked] { command.action = *revoked; });

  for (CLI::App* action : {create, list, revoke}) add_log_level(*action, raw);
  return added;
}

std::optional<UsageExit> finish_key(const std::string& expires, KeyCommand& command) {
  auto* create = std::get_if<CreateKey>(&command.action);
  if (create == nullptr || expires.empty()) return std::nullopt;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto end = parse_expiry(expires, now);
  if (!end) return wrong("--expires: " + end.error().message);
  create->key.expires_at = *end;
  return std::nullopt;
}

}  // namespace

Result<std::chrono::sys_seconds> parse_expiry(std::string_view text, std::chrono::sys_seconds now) {
  using namespace std::chrono;
  const auto number = [&](std::size_t at, std::size_t size) -> int {
    int value = -1;
    const char* const begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + size, value);
    return error == std::errc() && end == begin + size && *begin != '-' ? value : -1;
  };
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    const year_month_day date(year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                              day(static_cast<unsigned>(number(8, 2))));
    if (number(0, 4) >= 0 && date.ok()) return sys_seconds(sys_days(date) + days(1));
  } else if (text.size() >= 2 && text.size() <= 7) {
    const int count = number(0, text.size() - 1);
    if (count > 0 && text.back() == 'd') return now + days(count);
    if (count > 0 && text.back() == 'h') return now + hours(count);
  }
  return Error{
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is no time, expected a day such as 2027-12-31, or a duration such as 30d or 12h", text)};
}

std::string version_text() { return "stenod " STENOD_VERSION; }

std::variant<CommandLine, UsageExit> parse_command_line(int argc, const char* const* argv) {
  CLI::App app("Speech to text on your own machine.", "stenod");
  app.footer(kExamples);
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.require_subcommand(1);
  app.fallthrough(false);

  RawOptions transcribe_raw, model_raw, doctor_raw, bench_raw, eval_raw, key_raw, listen_raw;
  std::string expires;
  TranscribeCommand transcribe;
  ModelCommand model;
  DoctorCommand doctor;
  BenchFileCommand bench;
  EvalCommand eval;
  KeyCommand key;
  ServeOptions serve;
  const CLI::App* const transcribe_app = add_transcribe(app, transcribe, transcribe_raw);
  const CLI::App* const model_app = add_model(app, model, model_raw);
  const CLI::App* const doctor_app = add_doctor(app, doctor, doctor_raw);
  const CLI::App* const bench_app = add_bench_file(app, bench, bench_raw);
  const CLI::App* const eval_app = add_eval(app, eval, eval_raw);
  const CLI::App* const serve_app = serve.add(app);
  const CLI::App* const key_app = add_key(app, key, key_raw, expires);
  ListenCommand listen;
  CLI::App* const listen_app = add_listen(app, listen);
  add_log_level(*listen_app, listen_raw);
  // Known, but not built yet: not shown, and every use says so.
  for (const char* name : {"worker", "plan"}) {
    app.add_subcommand(name)->group("")->allow_extras()->prefix_command();
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_exit(app, error);
  }

  CommandLine line;
  std::optional<UsageExit> problem;
  if (*transcribe_app) {
    problem = finish_engine(*transcribe_app, transcribe_raw, transcribe.engine);
    if (!problem) problem = finish_file(transcribe_raw, transcribe.file);
    if (!problem) problem = finish_format(transcribe_raw, transcribe);
    line = {std::move(transcribe), transcribe_raw.log_level};
  } else if (*bench_app) {
    problem = finish_engine(*bench_app, bench_raw, bench.engine);
    if (!problem) problem = finish_file(bench_raw, bench.file);
    line = {std::move(bench), bench_raw.log_level};
  } else if (*eval_app) {
    problem = finish_eval(*eval_app, eval_raw, eval);
    line = {std::move(eval), eval_raw.log_level};
  } else if (*doctor_app) {
    problem = finish_engine(*doctor_app, doctor_raw, doctor.engine);
    line = {std::move(doctor), doctor_raw.log_level};
  } else if (*model_app) {
    line = {std::move(model), model_raw.log_level};
  } else if (*serve_app) {
    return serve.finish();
  } else if (*key_app) {
    problem = finish_key(expires, key);
    line = {std::move(key), key_raw.log_level};
  } else if (*listen_app) {
    line = {std::move(listen), listen_raw.log_level};
  } else {
    problem = wrong(fmt::format("'stenod {}' is not built yet", app.get_subcommands().front()->get_name()),
                    ErrorCode::kNotSupported);
  }
  if (problem) return *std::move(problem);
  return line;
}

}  // namespace stenod::app
