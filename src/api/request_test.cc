#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "api/request_fields.h"
#include "api/transcription_request.h"
#include "audio/testing/audio_files.h"
#include "transcribe/testing/scripted_recogniser.h"

namespace stenod::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- The fields of any request

RequestFields fields_of(Fields fields) { return RequestFields(std::move(fields)); }

std::string code_of(const Status& status) {
  return status ? "ok" : std::string(error_name(status.error().code)) + " " + status.error().param;
}

TEST(RequestFields, Texts) {
  RequestFields fields = fields_of({{"a", "1"}, {"b", ""}});
  EXPECT_EQ(fields.text("a"), "1");
  EXPECT_EQ(fields.text("b"), "");
  EXPECT_EQ(fields.text("c"), std::nullopt);
  EXPECT_EQ(code_of(fields.finish()), "ok");
  RequestFields twice = fields_of({{"a", "1"}, {"a", "1"}});
  EXPECT_EQ(twice.text("a"), "1");
  EXPECT_EQ(code_of(twice.finish()), "invalid_argument a");
}

TEST(RequestFields, WhatNobodyReadIsUnknown) {
  RequestFields fields = fields_of({{"a", "1"}, {"A", "1"}, {"z", "1"}});
  fields.text("a");
  EXPECT_EQ(code_of(fields.finish()), "unknown_parameter A");
  RequestFields hostile = fields_of({{std::string(1000, 'x') + "\xff", "1"}});
  EXPECT_LT(hostile.finish().error().message.size(), 200u);
}

TEST(RequestFields, TheFirstErrorStays) {
  RequestFields fields = fields_of({{"a", "x"}, {"b", "x"}, {"c", "x"}});
  fields.flag("a", true);
  fields.flag("b", true);
  EXPECT_EQ(code_of(fields.finish()), "invalid_argument a");
}

TEST(RequestFields, Flags) {
  for (const char* yes : {"true", "True", "1"}) EXPECT_TRUE(fields_of({{"a", yes}}).flag("a", false)) << yes;
  for (const char* no : {"false", "FALSE", "0"}) EXPECT_FALSE(fields_of({{"a", no}}).flag("a", true)) << no;
  EXPECT_TRUE(fields_of({}).flag("a", true));
  EXPECT_FALSE(fields_of({}).flag("a", false));
  for (const char* bad : {"", "yes", "2", "tru", " true"}) {
    RequestFields fields = fields_of({{"a", bad}});
    fields.flag("a", true);
    EXPECT_EQ(code_of(fields.finish()), "invalid_argument a") << bad;
  }
}

TEST(RequestFields, Numbers) {
  EXPECT_EQ(fields_of({{"a", "0.5"}}).number("a", 0, 1), 0.5);
  EXPECT_EQ(fields_of({{"a", "0"}}).number("a", 0, 1), 0);
  EXPECT_EQ(fields_of({{"a", "1"}}).number("a", 0, 1), 1);
  EXPECT_EQ(fields_of({}).number("a", 0, 1), std::nullopt);
  for (const char* bad : {"", "x", "1x", "-0.1", "1.01", "nan", "inf", "-inf", "1e999", " 1", "0x1"}) {
    RequestFields fields = fields_of({{"a", bad}});
    EXPECT_EQ(fields.number("a", 0, 1), std::nullopt);
    EXPECT_EQ(code_of(fields.finish()), "invalid_argument a") << bad;
  }
}

TEST(RequestFields, WholeNumbers) {
  EXPECT_EQ(fields_of({{"a", "1"}}).whole_number("a", 1, 9), 1);
  EXPECT_EQ(fields_of({{"a", "9"}}).whole_number("a", 1, 9), 9);
  EXPECT_EQ(fields_of({}).whole_number("a", 1, 9), std::nullopt);
  for (const char* bad : {"", "x", "1.5", "0", "10", "-1", "1x", "nan", "99999999999"}) {
    RequestFields fields = fields_of({{"a", bad}});
    fields.whole_number("a", 1, 9);
    EXPECT_EQ(code_of(fields.finish()), "invalid_argument a") << bad;
  }
}

TEST(RequestFields, Choices) {
  EXPECT_EQ(fields_of({}).choice("a", {"x", "y"}), "x");
  EXPECT_EQ(fields_of({{"a", "y"}}).choice("a", {"x", "y"}), "y");
  RequestFields fields = fields_of({{"a", "z\xff"}});
  fields.choice("a", {"x", "y"});
  const Status status = fields.finish();
  EXPECT_EQ(code_of(status), "invalid_argument a");
  EXPECT_THAT(status.error().message, HasSubstr("x, y"));
}

TEST(RequestFields, Lists) {
  RequestFields fields = fields_of({{"a[]", "1"}, {"b", "2"}, {"a", "3"}, {"a[]", "4"}});
  EXPECT_THAT(fields.list("a"), ElementsAre("1", "3", "4"));
  EXPECT_THAT(fields.list("a"), IsEmpty());
  EXPECT_EQ(code_of(fields.finish()), "unknown_parameter b");
}

TEST(RequestFields, NotBuiltYet) {
  RequestFields empty = fields_of({{"a", ""}, {"a[]", ""}});
  empty.not_yet("a", "not offered");
  EXPECT_EQ(code_of(empty.finish()), "ok");
  RequestFields fields = fields_of({{"a[]", "x"}});
  fields.not_yet("a", "not offered");
  EXPECT_EQ(code_of(fields.finish()), "not_supported a");
}

TEST(PreferredType, TakesTheOneThatIsLikedBest) {
  constexpr std::string_view kOffered[] = {"application/json", "text/plain", "text/vtt"};
  const auto preferred = [&](std::string_view accept) { return preferred_type(accept, kOffered); };
  EXPECT_EQ(preferred(""), "application/json");
  EXPECT_EQ(preferred("*/*"), "application/json");
  EXPECT_EQ(preferred("text/plain"), "text/plain");
  EXPECT_EQ(preferred("TEXT/VTT"), "text/vtt");
  EXPECT_EQ(preferred("text/*"), "text/plain");
  EXPECT_EQ(preferred("text/*, text/plain;q=0.1"), "text/vtt");
  EXPECT_EQ(preferred("text/html, text/vtt;q=0.9, */*;q=0.8"), "text/vtt");
  EXPECT_EQ(preferred("text/html,application/xhtml+xml,*/*;q=0.8"), "application/json");
  EXPECT_EQ(preferred("text/plain;q=0, text/vtt;q=0.001"), "text/vtt");
  EXPECT_EQ(preferred("image/png"), "application/json");
  for (const char* odd : {",", ";;", "text/plain;q", "text/plain;q=x", "/", "*", "text/"}) preferred(odd);
}

// --- Requests for transcripts

class RequestTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<audio::testing::TempFolder>();
    multilingual_ = transcribe::testing::scripted_recogniser(folder_->path(), {.multilingual = true});
    english_ = transcribe::testing::scripted_recogniser(folder_->path());
    ASSERT_TRUE(multilingual_ && english_);
    models_ = {{"base", multilingual_.get(), 0}, {"tiny.en", english_.get(), 0}};
  }
  static void TearDownTestSuite() {
    models_.clear();
    multilingual_.reset();
    english_.reset();
    folder_.reset();
  }

  static Result<TranscribeRequest> native(Fields fields, std::string_view accept = {}) {
    return parse_transcribe_request(std::move(fields), accept, models_);
  }
  static Result<OpenAiRequest> openai(Fields fields, whisper::Task task = whisper::Task::kTranscribe) {
    fields.emplace_back("model", "whisper-1");
    return parse_openai_request(std::move(fields), task, models_);
  }
  template <typename T>
  static std::string code(const Result<T>& result) {
    return result ? "ok" : std::string(error_name(result.error().code)) + " " + result.error().param;
  }

  static std::unique_ptr<audio::testing::TempFolder> folder_;
  static std::unique_ptr<transcribe::Recogniser> multilingual_, english_;
  static std::vector<ServedModel> models_;
};
std::unique_ptr<audio::testing::TempFolder> RequestTest::folder_;
std::unique_ptr<transcribe::Recogniser> RequestTest::multilingual_;
std::unique_ptr<transcribe::Recogniser> RequestTest::english_;
std::vector<ServedModel> RequestTest::models_;

TEST_F(RequestTest, NativeDefaults) {
  const auto request = native({});
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model->name, "base");
  EXPECT_EQ(request->file.language, std::nullopt);
  EXPECT_EQ(request->file.task, whisper::Task::kTranscribe);
  EXPECT_TRUE(request->file.vad);
  EXPECT_FALSE(request->file.word_timestamps);
  EXPECT_FALSE(request->file.split_channels);
  EXPECT_FALSE(request->file.full_window);
  EXPECT_EQ(request->format, text::Format::kJson);
  EXPECT_FALSE(request->stream);
  // What a form with empty or default fields sends.
  EXPECT_EQ(code(native({{"language", "auto"},
                         {"task", "transcribe"},
                         {"beam_size", "1"},
                         {"temperature", "0"},
                         {"prompt", ""},
                         {"hotwords", ""},
                         {"stream", "false"}})),
            "ok");
  EXPECT_EQ(code(native({{"language", ""}})), "ok");
}

TEST_F(RequestTest, NativeOptions) {
  const auto request = native({{"model", "tiny.en"},
                               {"language", "English"},
                               {"word_timestamps", "true"},
                               {"vad_filter", "false"},
                               {"channels", "split"},
                               {"full_window", "1"},
                               {"format", "srt"},
                               {"stream", "true"}});
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model->name, "tiny.en");
  EXPECT_EQ(request->file.language, "en");
  EXPECT_TRUE(request->file.word_timestamps);
  EXPECT_FALSE(request->file.vad);
  EXPECT_TRUE(request->file.split_channels);
  EXPECT_TRUE(request->file.full_window);
  EXPECT_EQ(request->format, text::Format::kSrt);
  EXPECT_TRUE(request->stream);
  EXPECT_EQ(native({{"task", "translate"}})->file.task, whisper::Task::kTranslate);
  EXPECT_EQ(native({{"model", "whisper-1"}})->model->name, "base");
}

TEST_F(RequestTest, DecodingHasFasterWhispersDefaults) {
  const auto decoding = native({})->file.decoding;
  EXPECT_EQ(decoding.search.beam_size, 5);
  EXPECT_EQ(decoding.search.best_of, 5);
  EXPECT_EQ(decoding.search.temperatures, (std::vector<float>{0, 0.2f, 0.4f, 0.6f, 0.8f, 1}));
  EXPECT_EQ(openai({})->file.decoding.search.temperatures, decoding.search.temperatures);
  EXPECT_EQ(openai({{"temperature", "0"}})->file.decoding.search.temperatures, decoding.search.temperatures);
  EXPECT_EQ(openai({{"temperature", "0.3"}})->file.decoding.search.temperatures, (std::vector<float>{0.3f}));
  EXPECT_EQ(openai({{"prompt", "Ada"}})->file.decoding.initial_prompt, "Ada");
}

TEST_F(RequestTest, DecodingAsAskedFor) {
  const auto request = native({{"beam_size", "3"},
                               {"best_of", "2"},
                               {"patience", "1.5"},
                               {"length_penalty", "-0.5"},
                               {"repetition_penalty", "1.2"},
                               {"no_repeat_ngram_size", "4"},
                               {"temperature", "0,0.5"},
                               {"seed", "7"},
                               {"compression_ratio_threshold", "2"},
                               {"log_prob_threshold", "-0.7"},
                               {"no_speech_threshold", "0.5"},
                               {"sequential", "true"},
                               {"max_initial_timestamp", "2"},
                               {"prompt", "Dear Ms Ng,"},
                               {"hotwords", "stenod"},
                               {"prefix", "So"},
                               {"suppress_tokens", "-1,7"},
                               {"suppress_blank", "false"}});
  ASSERT_TRUE(request) << request.error().message;
  const auto& decoding = request->file.decoding;
  EXPECT_EQ(decoding.search.beam_size, 3);
  EXPECT_EQ(decoding.search.best_of, 2);
  EXPECT_FLOAT_EQ(decoding.search.patience, 1.5f);
  EXPECT_FLOAT_EQ(decoding.search.length_penalty, -0.5f);
  EXPECT_FLOAT_EQ(decoding.search.repetition_penalty, 1.2f);
  EXPECT_EQ(decoding.search.no_repeat_ngram_size, 4);
  EXPECT_EQ(decoding.search.temperatures, (std::vector<float>{0, 0.5f}));
  EXPECT_EQ(decoding.search.seed, 7u);
  EXPECT_FLOAT_EQ(decoding.thresholds.compression_ratio, 2);
  EXPECT_FLOAT_EQ(decoding.thresholds.avg_logprob, -0.7f);
  EXPECT_FLOAT_EQ(decoding.thresholds.no_speech_prob, 0.5f);
  EXPECT_EQ(decoding.max_initial_timestamp_s, 2);
  EXPECT_EQ(decoding.initial_prompt, "Dear Ms Ng,");
  EXPECT_EQ(decoding.hotwords, "stenod");
  EXPECT_EQ(decoding.prefix, "So");
  EXPECT_EQ(decoding.suppress_tokens, (std::vector<int>{-1, 7}));
  EXPECT_FALSE(decoding.suppress_blank);
  EXPECT_EQ(native({{"suppress_tokens", ""}})->file.decoding.suppress_tokens, std::vector<int>());
}

TEST_F(RequestTest, Windows) {
  const auto usual = native({})->file;
  EXPECT_FALSE(usual.sequential || usual.multilingual || usual.condition_on_previous_text ||
               usual.prompt_reset_on_temperature || usual.hallucination_silence_threshold_s);
  EXPECT_EQ(usual.language_detection_segments, 1);
  EXPECT_EQ(usual.language_detection_threshold, 0.5);
  EXPECT_THAT(usual.clip_timestamps, IsEmpty());
  const auto request = native({{"clip_timestamps", "1,2.5,4"},
                               {"multilingual", "true"},
                               {"language_detection_segments", "5"},
                               {"language_detection_threshold", "0.9"},
                               {"sequential", "true"},
                               {"word_timestamps", "true"},
                               {"condition_on_previous_text", "false"},
                               {"prompt_reset_on_temperature", "0.3"},
                               {"hallucination_silence_threshold", "2"}});
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->file.sequential && request->file.multilingual);
  EXPECT_THAT(request->file.clip_timestamps, ElementsAre(1, 2.5, 4));
  EXPECT_EQ(request->file.language_detection_segments, 5);
  EXPECT_EQ(request->file.language_detection_threshold, 0.9);
  EXPECT_EQ(request->file.condition_on_previous_text, false);
  EXPECT_EQ(request->file.prompt_reset_on_temperature, 0.3);
  EXPECT_EQ(request->file.hallucination_silence_threshold_s, 2.0);
  EXPECT_THAT(native({{"clip_timestamps", ""}})->file.clip_timestamps, IsEmpty());
  EXPECT_EQ(code(native({{"condition_on_previous_text", "false"}})), "ok");
  const std::pair<const char*, std::vector<std::string>> wrong[] = {
      {"clip_timestamps", {"a", "1,", "5,3", "4,4", "-1,4", "nan", "1 2", "1e999"}},
      {"multilingual", {"", "maybe"}},
      {"language_detection_segments", {"0", "1001", "1.5"}},
      {"language_detection_threshold", {"-0.1", "1.1", "nan"}},
      {"sequential", {"maybe"}},
      {"condition_on_previous_text", {"maybe"}},
      {"prompt_reset_on_temperature", {"-1", "nan"}},
      {"hallucination_silence_threshold", {"-1", "nan", "3601"}}};
  for (const auto& [name, values] : wrong) {
    for (const std::string& value : values) {
      EXPECT_EQ(code(native({{name, value}})), std::string("invalid_argument ") + name) << value;
    }
  }
}

TEST_F(RequestTest, OptionsThatDoNotGoTogetherAreRefusedAtOnce) {
  for (const auto& [name, value] : Fields{{"condition_on_previous_text", "true"},
                                          {"prompt_reset_on_temperature", "0.5"},
                                          {"hallucination_silence_threshold", "2"},
                                          {"max_initial_timestamp", "1"}}) {
    const auto refused = native({{name, value}, {"word_timestamps", "true"}});
    EXPECT_EQ(code(refused), "invalid_argument " + name);
    EXPECT_THAT(refused.error().message, HasSubstr("sequential=true"));
    EXPECT_EQ(code(native({{name, value}, {"word_timestamps", "true"}, {"sequential", "true"}})), "ok");
  }
  const Fields silence = {{"sequential", "true"}, {"hallucination_silence_threshold", "2"}};
  EXPECT_EQ(code(native(silence)), "invalid_argument hallucination_silence_threshold");
  Fields subtitles = silence;
  subtitles.insert(subtitles.end(), {{"format", "srt"}, {"max_line_width", "42"}});
  EXPECT_EQ(code(native(subtitles)), "ok") << "which need the times of words";
  EXPECT_EQ(code(native({{"multilingual", "true"}, {"language", "de"}})), "invalid_argument multilingual");
  EXPECT_EQ(code(native({{"multilingual", "true"}, {"model", "tiny.en"}})), "invalid_argument multilingual");
}

TEST_F(RequestTest, DecodingThatIsWrongIsNamed) {
  const std::pair<const char*, std::vector<std::string>> wrong[] = {
      {"beam_size", {"", "0", "9", "1.5", "many"}},
      {"best_of", {"0", "9"}},
      {"patience", {"0", "nan", "101"}},
      {"length_penalty", {"inf", "11"}},
      {"repetition_penalty", {"0", "101"}},
      {"no_repeat_ngram_size", {"-1", "101"}},
      {"temperature", {"", "-0.1", "2.1", "0,", ",0", "0;1", "nan", "0, 0.2"}},
      {"seed", {"-1", "1.5"}},
      {"compression_ratio_threshold", {"-1", ""}},
      {"log_prob_threshold", {"0.1"}},
      {"no_speech_threshold", {"1.1"}},
      {"max_initial_timestamp", {"31"}},
      {"prompt", {std::string(8001, 'x')}},
      {"hotwords", {std::string(8001, 'x')}},
      {"prefix", {std::string(8001, 'x')}},
      {"suppress_tokens", {"a", "1,", "1 2", "99999999999"}},
      {"suppress_blank", {"maybe"}}};
  for (const auto& [name, values] : wrong) {
    for (const std::string& value : values) {
      EXPECT_EQ(code(native({{name, value}})), std::string("invalid_argument ") + name) << value.substr(0, 20);
    }
  }
}

TEST_F(RequestTest, NativeErrorsNameTheField) {
  EXPECT_EQ(code(native({{"langauge", "en"}})), "unknown_parameter langauge");
  EXPECT_EQ(code(native({{"language", "klingon"}})), "invalid_argument language");
  EXPECT_EQ(code(native({{"language", "en"}, {"language", "de"}})), "invalid_argument language");
  EXPECT_EQ(code(native({{"model", "large-v3"}})), "model_unknown model");
  EXPECT_EQ(code(native({{"model", "/etc/passwd"}})), "model_unknown model");
  EXPECT_EQ(code(native({{"model", ""}})), "model_unknown model");
  EXPECT_EQ(code(native({{"task", "summarise"}})), "invalid_argument task");
  EXPECT_EQ(code(native({{"task", "translate"}, {"model", "tiny.en"}})), "invalid_argument task");
  EXPECT_EQ(code(native({{"channels", "left"}})), "invalid_argument channels");
  EXPECT_EQ(code(native({{"word_timestamps", "maybe"}})), "invalid_argument word_timestamps");
  EXPECT_EQ(code(native({{"vad_filter", "maybe"}})), "invalid_argument vad_filter");
  EXPECT_EQ(code(native({{"full_window", "maybe"}})), "invalid_argument full_window");
  EXPECT_EQ(code(native({{"format", "docx"}})), "invalid_argument format");
  EXPECT_EQ(code(native({{"stream", "maybe"}})), "invalid_argument stream");
  EXPECT_EQ(code(native({{"beam_size", "0"}})), "invalid_argument beam_size");
  EXPECT_EQ(code(native({{"temperature", "-1"}})), "invalid_argument temperature");
}

TEST_F(RequestTest, NativeFormatsCanBeAskedForByAccept) {
  EXPECT_EQ(native({}, "text/vtt")->format, text::Format::kVtt);
  EXPECT_EQ(native({}, "text/plain")->format, text::Format::kText);
  EXPECT_EQ(native({}, "application/x-subrip")->format, text::Format::kSrt);
  EXPECT_EQ(native({}, "text/tab-separated-values")->format, text::Format::kTsv);
  EXPECT_EQ(native({}, "application/jsonl")->format, text::Format::kJsonl);
  EXPECT_EQ(native({}, "*/*")->format, text::Format::kJson);
  EXPECT_EQ(native({{"format", "srt"}}, "text/vtt")->format, text::Format::kSrt);
  EXPECT_TRUE(native({}, "text/event-stream")->stream);
  EXPECT_EQ(native({}, "text/event-stream")->format, text::Format::kJson);
  EXPECT_FALSE(native({{"stream", "false"}}, "text/event-stream")->stream);
  EXPECT_EQ(native({{"format", "srt"}}, "text/event-stream")->format, text::Format::kSrt);
}

TEST_F(RequestTest, SubtitlesNeedTheTimesOfWords) {
  const auto lines = native({{"format", "srt"}, {"max_line_width", "42"}, {"max_line_count", "2"}});
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_EQ(lines->layout.subtitles.max_line_width, 42);
  EXPECT_EQ(lines->layout.subtitles.max_line_count, 2);
  EXPECT_TRUE(lines->file.word_timestamps);
  EXPECT_FALSE(lines->layout.words) << "JSON holds them only when asked to";
  EXPECT_FALSE(native({{"format", "srt"}})->file.word_timestamps);
  EXPECT_TRUE(native({{"word_timestamps", "true"}})->layout.words);
  EXPECT_EQ(native({{"max_words_per_line", "3"}}, "text/vtt")->layout.subtitles.max_words_per_line, 3);
  EXPECT_TRUE(native({{"format", "vtt"}, {"highlight_words", "true"}})->layout.subtitles.highlight_words);
  EXPECT_EQ(code(native({{"max_line_width", "42"}})), "invalid_argument format");
  EXPECT_EQ(code(native({{"format", "srt"}, {"max_line_count", "2"}})), "invalid_argument max_line_count");
  for (const char* name : {"max_line_width", "max_line_count", "max_words_per_line"}) {
    for (const char* value : {"0", "1001", "2.5", "many"}) {
      EXPECT_EQ(code(native({{"format", "srt"}, {name, value}})), std::string("invalid_argument ") + name) << value;
    }
  }
  EXPECT_EQ(code(native({{"format", "srt"}, {"highlight_words", "maybe"}})), "invalid_argument highlight_words");

  for (const auto task : {whisper::Task::kTranscribe, whisper::Task::kTranslate}) {
    const auto request = openai({{"response_format", "vtt"}, {"max_line_width", "42"}}, task);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->subtitles.max_line_width, 42);
    EXPECT_TRUE(request->file.word_timestamps);
    EXPECT_EQ(code(openai({{"highlight_words", "true"}}, task)), "invalid_argument response_format");
  }
}

TEST_F(RequestTest, PunctuationOfWords) {
  EXPECT_EQ(native({})->file.punctuations, std::nullopt);
  EXPECT_EQ(native({{"prepend_punctuations", "«"}, {"append_punctuations", ""}})->file.punctuations,
            (text::Punctuations{"«", ""}));
  EXPECT_EQ(openai({{"append_punctuations", "."}})->file.punctuations, (text::Punctuations{.appended = "."}));
  EXPECT_EQ(code(native({{"append_punctuations", std::string(257, '.')}})), "invalid_argument append_punctuations");
}

TEST_F(RequestTest, OpenAiDefaultsAndOptions) {
  const auto request = openai({});
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model->name, "base");
  EXPECT_EQ(request->format, OpenAiFormat::kJson);
  EXPECT_FALSE(request->stream);
  const auto full = openai({{"language", "de"},
                            {"response_format", "verbose_json"},
                            {"temperature", "0.0"},
                            {"prompt", ""},
                            {"timestamp_granularities[]", "word"},
                            {"chunking_strategy", "auto"}});
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->file.language, "de");
  EXPECT_TRUE(full->file.word_timestamps);
  EXPECT_TRUE(full->words);
  EXPECT_FALSE(full->segments);
  const auto both = openai({{"response_format", "verbose_json"},
                            {"timestamp_granularities[]", "word"},
                            {"timestamp_granularities[]", "segment"}});
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->words && both->segments);
  const auto neither = openai({{"response_format", "verbose_json"}});
  EXPECT_TRUE(neither->segments && !neither->words);
  EXPECT_EQ(openai({{"response_format", "text"}})->format, OpenAiFormat::kText);
  EXPECT_EQ(openai({{"response_format", "srt"}})->format, OpenAiFormat::kSrt);
  EXPECT_EQ(openai({{"response_format", "vtt"}})->format, OpenAiFormat::kVtt);
  EXPECT_TRUE(openai({{"stream", "true"}, {"response_format", "text"}})->stream);
  EXPECT_EQ(code(openai({{"chunking_strategy[type]", "server_vad"},
                         {"chunking_strategy[threshold]", "0.5"},
                         {"chunking_strategy[prefix_padding_ms]", "300"},
                         {"chunking_strategy[silence_duration_ms]", "200"}})),
            "ok");
}

TEST_F(RequestTest, OpenAiErrorsNameTheField) {
  EXPECT_EQ(code(parse_openai_request({}, whisper::Task::kTranscribe, models_)), "missing_parameter model");
  EXPECT_EQ(code(parse_openai_request({{"model", "gpt-5"}}, whisper::Task::kTranscribe, models_)),
            "model_unknown model");
  EXPECT_EQ(code(openai({{"languge", "en"}})), "unknown_parameter languge");
  EXPECT_EQ(code(openai({{"language", "klingon"}})), "invalid_argument language");
  EXPECT_EQ(code(openai({{"response_format", "xml"}})), "invalid_argument response_format");
  EXPECT_EQ(code(openai({{"response_format", "diarized_json"}})), "not_supported response_format");
  EXPECT_EQ(code(openai({{"temperature", "2"}})), "invalid_argument temperature");
  EXPECT_EQ(code(openai({{"timestamp_granularities[]", "word"}})), "invalid_argument timestamp_granularities");
  EXPECT_EQ(code(openai({{"response_format", "verbose_json"}, {"timestamp_granularities[]", "letter"}})),
            "invalid_argument timestamp_granularities");
  EXPECT_EQ(code(openai({{"include[]", "logprobs"}})), "not_supported include");
  EXPECT_EQ(code(openai({{"stream", "maybe"}})), "invalid_argument stream");
  for (const char* format : {"srt", "vtt", "verbose_json"}) {
    EXPECT_EQ(code(openai({{"stream", "true"}, {"response_format", format}})), "invalid_argument response_format");
  }
  EXPECT_EQ(code(openai({{"chunking_strategy", "often"}})), "not_supported chunking_strategy");
  EXPECT_EQ(code(openai({{"chunking_strategy[type]", "client_vad"}})), "invalid_argument chunking_strategy[type]");
  EXPECT_EQ(code(openai({{"chunking_strategy[threshold]", "0.9"}})), "not_supported chunking_strategy[threshold]");
  for (const char* name : {"keywords", "languages", "known_speaker_names", "known_speaker_references"}) {
    EXPECT_EQ(code(openai({{std::string(name) + "[]", "x"}})), std::string("not_supported ") + name);
  }
}

TEST_F(RequestTest, OpenAiTranslationsKnowFewerFields) {
  const auto request = openai({{"response_format", "verbose_json"}}, whisper::Task::kTranslate);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->file.task, whisper::Task::kTranslate);
  for (const char* name : {"language", "stream", "timestamp_granularities[]", "include[]", "chunking_strategy"}) {
    EXPECT_EQ(code(openai({{name, "auto"}}, whisper::Task::kTranslate)), std::string("unknown_parameter ") + name);
  }
  EXPECT_EQ(code(parse_openai_request({{"model", "tiny.en"}}, whisper::Task::kTranslate, models_)),
            "invalid_argument model");
}

}  // namespace
}  // namespace stenod::api
