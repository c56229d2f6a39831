#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "access/testing/access_folder.h"
#include "api/openai_routes.h"
#include "api/testing/recorded_reply.h"
#include "api/transcribe_route.h"
#include "audio/testing/audio_files.h"
#include "base/json.h"
#include "transcribe/testing/scripted_recogniser.h"

namespace stenod::api {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::RecordedReply;

struct Event {
  std::string name;
  std::string data;
};

/// As a client of server-sent events reads them.
std::vector<Event> events_of(const std::string& body) {
  std::vector<Event> events;
  Event event;
  std::size_t at = 0;
  while (at < body.size()) {
    const std::size_t end = body.find('\n', at);
    EXPECT_NE(end, std::string::npos) << "cut off";
    const std::string line = body.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("event: ")) {
      event.name = line.substr(7);
    } else if (line.starts_with("data: ")) {
      event.data += (event.data.empty() ? "" : "\n") + line.substr(6);
    } else if (line.empty()) {
      if (!event.data.empty()) events.push_back(std::exchange(event, {}));
    } else {
      EXPECT_EQ(line, ":");
    }
  }
  return events;
}

std::string field(const HttpResponse& response, std::string_view name) {
  return std::string(find_field(response.headers, name));
}

json::value json_of(const std::string& text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *std::move(parsed) : json::value(json::object());
}

class FileRoutesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    temp_ = std::make_unique<audio::testing::TempFolder>();
    english_ = transcribe::testing::scripted_recogniser(temp_->path(), {.before_encode = [](int) { return hold(); }});
    multilingual_ = transcribe::testing::scripted_recogniser(
        temp_->path(), {.text = " \xC2\xA1Hola.", .multilingual = true, .before_encode = [](int) { return hold(); }});
    ASSERT_TRUE(english_ && multilingual_);
  }
  static void TearDownTestSuite() {
    english_.reset();
    multilingual_.reset();
    temp_.reset();
  }
  void SetUp() override {
    auto spool = SpoolFolder::open(temp_->path() / "spool", {.max_file_bytes = 8 << 20});
    ASSERT_TRUE(spool);
    spool_ = *std::move(spool);
    service_ = std::make_unique<FileService>(FileServiceOptions{.max_concurrent = 1, .max_queued = 1});
    routes_ = std::make_unique<FileRoutes>(
        FileRoutes{*service_, *spool_, {{"tiny.en", english_.get(), 1700000000}, {"base", multilingual_.get(), 1}}});
    transcribe_ = transcribe_route(*routes_);
    openai_ = openai_routes(*routes_);
  }
  void TearDown() override { release(); }

  /// Keeps the engine from going on until release().
  static void hold_engine() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  static void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  static Status hold() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 1min, [] { return !held_; });
    return {};
  }

  /// Seconds of sound with silence between them, so that each is a segment of its own.
  static std::string recording(int num_sounds = 1) {
    std::vector<std::int16_t> samples;
    for (int i = 0; i < num_sounds; ++i) {
      if (i > 0) samples.resize(samples.size() + 12 * 16000);
      const auto tone = audio::testing::tone(440, 16000, 1);
      samples.insert(samples.end(), tone.begin(), tone.end());
    }
    return audio::testing::wav({}, samples);
  }
  /// Four minutes, which the engine works on window by window.
  static std::string long_recording() { return audio::testing::wav({}, audio::testing::tone(440, 16000, 240)); }
  static HttpRequest form_request() {
    HttpRequest request;
    request.headers = {{"Content-Type", "multipart/form-data; boundary=b"}};
    return request;
  }
  static std::string form(const Fields& fields, const std::string& file, std::string_view name = "file") {
    std::string body;
    for (const auto& [key, value] : fields) {
      body += "--b\r\nContent-Disposition: form-data; name=\"" + key + "\"\r\n\r\n" + value + "\r\n";
    }
    return body + "--b\r\nContent-Disposition: form-data; name=\"" + std::string(name) +
           "\"; filename=\"talk.wav\"\r\n\r\n" + file + "\r\n--b--\r\n";
  }
  HttpResponse post(Fields fields, const std::string& file = recording()) {
    return testing::call(transcribe_, form_request(), form(fields, file, "audio"))->wait();
  }
  HttpResponse openai(Fields fields, const std::string& file = recording(), std::size_t route = 0) {
    fields.emplace_back("model", "whisper-1");
    return testing::call(openai_[route], form_request(), form(fields, file))->wait();
  }

  static std::unique_ptr<audio::testing::TempFolder> temp_;
  static std::unique_ptr<transcribe::Recogniser> english_, multilingual_;
  static std::mutex mutex_;
  static std::condition_variable changed_;
  static bool held_;
  std::unique_ptr<SpoolFolder> spool_;
  std::unique_ptr<FileService> service_;
  std::unique_ptr<FileRoutes> routes_;
  Route transcribe_;
  std::vector<Route> openai_;
};
std::unique_ptr<audio::testing::TempFolder> FileRoutesTest::temp_;
std::unique_ptr<transcribe::Recogniser> FileRoutesTest::english_;
std::unique_ptr<transcribe::Recogniser> FileRoutesTest::multilingual_;
std::mutex FileRoutesTest::mutex_;
std::condition_variable FileRoutesTest::changed_;
bool FileRoutesTest::held_ = false;

// --- POST /transcribe

TEST_F(FileRoutesTest, AFormIsAnsweredAsTheCommandLineWouldPrint) {
  const HttpResponse response = post({});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  const json::value body = json_of(response.body);
  EXPECT_EQ(body.at("file"), "talk.wav");
  EXPECT_EQ(body.at("text"), "Hello there.");
  EXPECT_EQ(body.at("language"), "en");
  EXPECT_EQ(body.at("duration").to_number<double>(), 1);
  EXPECT_EQ(body.at("segments").as_array().size(), 1u);
  EXPECT_FALSE(body.at("segments").at(0).as_object().contains("words"));
  EXPECT_EQ(field(response, "Stenod-Warning"), "");
  EXPECT_EQ(spool_->total_bytes(), 0u);

  const json::value words = json_of(post({{"word_timestamps", "true"}}).body);
  EXPECT_EQ(words.at("segments").at(0).at("words").as_array().size(), 2u);
}

TEST_F(FileRoutesTest, EveryFormat) {
  const auto answer = [this](const char* format) {
    const HttpResponse response = post({{"format", format}});
    EXPECT_EQ(response.status, 200) << response.body;
    return response.content_type + "|" + response.body;
  };
  EXPECT_EQ(answer("text"), "text/plain; charset=utf-8|Hello there.\n");
  EXPECT_THAT(answer("srt"), StartsWith("application/x-subrip; charset=utf-8|1\n00:00:00,"));
  EXPECT_THAT(answer("vtt"), StartsWith("text/vtt; charset=utf-8|WEBVTT\n\n00:00."));
  EXPECT_THAT(answer("tsv"), StartsWith("text/tab-separated-values; charset=utf-8|start\tend\ttext\n"));
  EXPECT_THAT(answer("jsonl"), StartsWith("application/jsonl|{\"file\": \"talk.wav\""));
}

TEST_F(FileRoutesTest, ARecordingAloneHasItsOptionsInTheQuery) {
  HttpRequest request;
  request.headers = {{"Content-Type", "audio/wav"}, {"Accept", "text/plain"}};
  EXPECT_EQ(testing::call(transcribe_, request, recording())->wait().body, "Hello there.\n");
  request.query = {{"model", "base"}, {"language", "es"}};
  EXPECT_EQ(testing::call(transcribe_, request, recording())->wait().body, "\xC2\xA1Hola.\n");

  request.query = {{"lang", "es"}};
  EXPECT_FALSE(transcribe_.open(request)) << "before anything is uploaded";
  const HttpResponse refused = testing::call(transcribe_, request, recording())->wait();
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(json_of(refused.body).at("error").at("param"), "lang");
}

TEST_F(FileRoutesTest, AFormsQueryCountsToo) {
  HttpRequest request = form_request();
  request.query = {{"format", "text"}};
  EXPECT_EQ(testing::call(transcribe_, request, form({}, recording()))->wait().body, "Hello there.\n");
  const HttpResponse twice = testing::call(transcribe_, request, form({{"format", "srt"}}, recording()))->wait();
  EXPECT_EQ(twice.status, 400);
  EXPECT_EQ(json_of(twice.body).at("error").at("param"), "format");
}

TEST_F(FileRoutesTest, HowTheUploadIsCutChangesNothing) {
  const std::string body = form({{"format", "text"}}, recording());
  for (const std::size_t piece : {std::size_t{7}, std::size_t{4096}, body.size()}) {
    EXPECT_EQ(testing::call(transcribe_, form_request(), body, piece)->wait().body, "Hello there.\n");
  }
}

TEST_F(FileRoutesTest, ErrorsNameTheirCauseAndNoFolderOfTheServer) {
  const auto answer = [](const HttpResponse& response) {
    EXPECT_THAT(response.body, Not(HasSubstr("/proc"))) << response.body;
    const json::value error = json_of(response.body).at("error");
    const json::value* param = error.as_object().if_contains("param");
    return std::to_string(response.status) + " " + std::string(error.at("code").as_string()) +
           (param != nullptr ? " " + std::string(param->as_string()) : "");
  };
  EXPECT_EQ(answer(post({}, "no sound at all")), "400 audio_unknown_format audio");
  EXPECT_THAT(post({}, "no sound at all").body, HasSubstr("talk.wav: "));
  EXPECT_EQ(answer(post({}, "")), "400 audio_empty audio");
  EXPECT_EQ(answer(post({{"langauge", "en"}})), "422 unknown_parameter langauge");
  EXPECT_EQ(answer(post({{"language", "de"}})), "400 invalid_argument language") << "the model knows only English";
  EXPECT_EQ(answer(post({{"model", "huge"}})), "404 model_unknown model");
  EXPECT_EQ(answer(post({{"beam_size", "9"}})), "400 invalid_argument beam_size");
  EXPECT_EQ(answer(post({}, std::string((8 << 20) + 1, 'x'))), "413 payload_too_large");
  EXPECT_EQ(answer(testing::call(transcribe_, form_request(), "--b--")->wait()), "422 missing_parameter audio");
  EXPECT_EQ(answer(testing::call(transcribe_, form_request(), "--b")->wait()), "400 multipart_truncated");
  HttpRequest request;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  EXPECT_EQ(answer(testing::call(transcribe_, request, "x")->wait()), "415 unsupported_media_type Content-Type");
  EXPECT_EQ(spool_->total_bytes(), 0u);
}

TEST_F(FileRoutesTest, WhatIsWrongWithAFileIsSaidBesideItsText) {
  // A header that announces ten times what follows: a transfer that broke off.
  std::string cut = recording(1);
  cut.replace(40, 4, std::string("\x00\xe2\x04\x00", 4));
  const HttpResponse response = post({{"format", "text"}}, cut);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "Hello there.\n");
  EXPECT_THAT(field(response, "Stenod-Warning"), HasSubstr("announces 10.0 s"));
}

TEST_F(FileRoutesTest, Events) {
  const HttpResponse response = post({{"stream", "true"}}, recording(3));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_EQ(field(response, "Cache-Control"), "no-cache");
  const auto events = events_of(response.body);
  ASSERT_GE(events.size(), 5u);
  EXPECT_EQ(events.front().name, "progress");
  std::vector<std::string> texts;
  double percent = 0;
  for (const Event& event : events) {
    const json::value data = json_of(event.data);
    if (event.name == "progress") {
      EXPECT_GE(data.at("percent").to_number<double>(), percent);
      percent = data.at("percent").to_number<double>();
      EXPECT_LE(percent, 100);
      EXPECT_EQ(data.at("total_s").to_number<double>(), 27);
      EXPECT_LE(data.at("done_s").to_number<double>(), 27);
    } else if (event.name == "segment") {
      texts.emplace_back(data.at("text").as_string());
      EXPECT_GE(data.at("end").to_number<double>(), data.at("start").to_number<double>());
    }
  }
  EXPECT_THAT(texts, ElementsAre(" Hello there.", " Hello there.", " Hello there."));
  EXPECT_EQ(events.back().name, "result");
  json::value streamed = json_of(events.back().data);
  json::value whole = json_of(post({}, recording(3)).body);
  streamed.as_object().erase("wall_s");
  whole.as_object().erase("wall_s");
  EXPECT_EQ(streamed, whole);
}

TEST_F(FileRoutesTest, EventsHoldOtherFormatsToo) {
  const auto events = events_of(post({{"stream", "true"}, {"format", "srt"}}, recording(2)).body);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "result");
  const std::string whole = post({{"format", "srt"}}, recording(2)).body;
  EXPECT_EQ(events.back().data + "\n", whole);
}

TEST_F(FileRoutesTest, EventsOfABadFileAreAnOrdinaryError) {
  const HttpResponse response = post({{"stream", "true"}}, "no sound at all");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "application/json");
}

TEST_F(FileRoutesTest, ProgressComesBeforeTheEnd) {
  hold_engine();
  const auto reply = testing::call(transcribe_, form_request(), form({{"stream", "1"}}, recording(), "audio"));
  EXPECT_TRUE(reply->wait_for("event: progress"));
  release();
  EXPECT_THAT(reply->wait().body, HasSubstr("event: result"));
}

TEST_F(FileRoutesTest, AnErrorOnTheWayIsAnEvent) {
  hold_engine();
  const auto reply = testing::call(transcribe_, form_request(), form({{"stream", "1"}}, long_recording(), "audio"));
  ASSERT_TRUE(reply->wait_for("event: progress"));
  std::thread stopping([this] { service_->stop(std::chrono::steady_clock::now()); });
  while (service_->accepts()) std::this_thread::yield();
  release();
  stopping.join();
  const auto events = events_of(reply->wait().body);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "error");
  EXPECT_EQ(json_of(events.back().data).at("error").at("code"), "shutting_down");
}

TEST_F(FileRoutesTest, AClientThatLeavesOrReadsNothingEndsTheWork) {
  for (const bool leaves : {true, false}) {
    hold_engine();
    const auto before = english_->engine().statistics();
    const auto reply = testing::call(transcribe_, form_request(), form({{"stream", "1"}}, long_recording(), "audio"));
    ASSERT_TRUE(reply->wait_for("event: progress"));
    leaves ? reply->leave() : reply->block();
    release();
    EXPECT_THAT(events_of(reply->wait().body).back().data, HasSubstr("cancelled"));
    EXPECT_LT(english_->engine().statistics().completed - before.completed, 8u);
    EXPECT_EQ(spool_->total_bytes(), 0u);
  }
}

TEST_F(FileRoutesTest, AClientThatLeavesBeforeAnyAnswerEndsTheWorkToo) {
  hold_engine();
  const auto before = english_->engine().statistics();
  const auto reply = testing::call(transcribe_, form_request(), form({}, long_recording(), "audio"));
  reply->leave();
  release();
  EXPECT_EQ(reply->wait().status, 503);
  EXPECT_LT(english_->engine().statistics().completed - before.completed, 8u);
}

TEST_F(FileRoutesTest, TooManyAtOnceAreRefused) {
  hold_engine();
  std::vector<std::shared_ptr<RecordedReply>> accepted;
  for (int i = 0; i < 2; ++i) {
    accepted.push_back(testing::call(transcribe_, form_request(), form({}, recording(), "audio")));
  }
  EXPECT_FALSE(transcribe_.open(form_request())) << "before the upload";
  const HttpResponse refused = post({});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(json_of(refused.body).at("error").at("code"), "overloaded");
  EXPECT_NE(field(refused, "Retry-After"), "");
  const HttpResponse openai_refused = openai({});
  EXPECT_EQ(openai_refused.status, 503);
  EXPECT_EQ(json_of(openai_refused.body).at("error").at("type"), "server_error");
  release();
  for (const auto& reply : accepted) EXPECT_EQ(reply->wait().status, 200);
}

class CountedFileRoutesTest : public FileRoutesTest {
 protected:
  void TearDown() override {
    FileRoutesTest::TearDown();
    service_.reset();  // what it works on counts audio
  }
  /// Requests are from now on those of a new key that may use so much a day.
  void use_key(double seconds) {
    const access::NewKey key{"a", false, {.audio_minutes_per_day = seconds / 60}};
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const std::string text = folder_.create_key(key, now).text;
    access_ = *access::Access::open({.folder = folder_.path()});
    routes_->access = access_.get();
    request_ = form_request();
    request_.principal = *access_->authenticate(text, "");
  }
  HttpResponse post_counted(const Fields& fields, const std::string& file) {
    return testing::call(transcribe_, request_, form(fields, file, "audio"))->wait();
  }
  bool has_minutes_left() { return access_->check_audio(request_.principal).ok(); }

  access::AccessFolder folder_;
  std::unique_ptr<access::Access> access_;
  HttpRequest request_;
};

TEST_F(CountedFileRoutesTest, AudioIsCounted) {
  use_key(92.5);
  EXPECT_EQ(post_counted({}, recording(8)).status, 200);  // 92 s
  EXPECT_TRUE(has_minutes_left());
  EXPECT_EQ(post_counted({}, recording()).status, 429);
  EXPECT_FALSE(has_minutes_left());
}

TEST_F(CountedFileRoutesTest, WithoutMinutesItIsRefusedBeforeTheUpload) {
  use_key(1);
  EXPECT_TRUE(transcribe_.open(request_));
  EXPECT_TRUE(access_->add_audio(request_.principal, 1));
  const auto opened = transcribe_.open(request_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_FALSE(openai_[0].open(request_));
  EXPECT_FALSE(openai_[1].open(request_));
  const HttpResponse refused = post_counted({}, recording());
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(field(refused, "Retry-After"), "");
}

TEST_F(CountedFileRoutesTest, NoTextGoesOutThatTheMinutesDoNotCover) {
  for (const char* stream : {"false", "true"}) {
    use_key(0.5);
    const HttpResponse refused = post_counted({{"stream", stream}}, recording(4));
    EXPECT_THAT(refused.body, AllOf(HasSubstr("quota_exceeded"), Not(HasSubstr("Hello"))));
    EXPECT_FALSE(has_minutes_left()) << "it counts";
  }
}

// --- OpenAI

TEST_F(FileRoutesTest, OpenAiFormats) {
  HttpResponse response = openai({});
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(json_of(response.body),
            (json::value{{"text", "Hello there."}, {"usage", {{"type", "duration"}, {"seconds", 1}}}}));
  response = openai({{"response_format", "text"}});
  EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(response.body, "Hello there.\n");
  EXPECT_THAT(openai({{"response_format", "srt"}}).body, StartsWith("1\n00:00:00,"));
  EXPECT_THAT(openai({{"response_format", "vtt"}}).body, StartsWith("WEBVTT\n"));

  json::value verbose = json_of(openai({{"response_format", "verbose_json"}}, recording(2)).body);
  EXPECT_EQ(verbose.at("task"), "transcribe");
  EXPECT_EQ(verbose.at("language"), "english");
  EXPECT_EQ(verbose.at("duration").to_number<double>(), 14);
  EXPECT_EQ(verbose.at("text"), "Hello there. Hello there.");
  EXPECT_FALSE(verbose.as_object().contains("words"));
  ASSERT_EQ(verbose.at("segments").as_array().size(), 2u);
  const json::object& segment = verbose.at("segments").at(1).as_object();
  EXPECT_EQ(segment.at("id"), 1);
  EXPECT_EQ(segment.at("text"), " Hello there.");
  EXPECT_EQ(segment.at("seek").to_number<int>(), std::floor(segment.at("start").to_number<double>() * 100));
  for (const char* name : {"end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"}) {
    EXPECT_TRUE(segment.at(name).is_number()) << name;
  }
  EXPECT_TRUE(segment.at("tokens").is_array());

  verbose = json_of(openai({{"response_format", "verbose_json"}, {"timestamp_granularities[]", "word"}}).body);
  EXPECT_FALSE(verbose.as_object().contains("segments"));
  ASSERT_EQ(verbose.at("words").as_array().size(), 2u);
  EXPECT_EQ(verbose.at("words").at(0).at("word"), "Hello");
}

TEST_F(FileRoutesTest, OpenAiTranslations) {
  const auto translate = [this](Fields fields) {
    fields.emplace_back("model", "base");
    return testing::call(openai_[1], form_request(), form(fields, recording()))->wait();
  };
  EXPECT_EQ(json_of(translate({}).body).at("text"), "\xC2\xA1Hola.");
  const json::value verbose = json_of(translate({{"response_format", "verbose_json"}}).body);
  EXPECT_EQ(verbose.at("task"), "translate");
  EXPECT_EQ(verbose.at("language"), "english");
  EXPECT_EQ(json_of(openai({}, recording(), 1).body).at("error").at("param"), "model") << "knows only English";
}

TEST_F(FileRoutesTest, OpenAiEvents) {
  const HttpResponse response = openai({{"stream", "true"}}, recording(3));
  EXPECT_EQ(response.content_type, "text/event-stream");
  const auto events = events_of(response.body);
  ASSERT_EQ(events.size(), 5u);
  std::string text;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(events[i].name, "");
    const json::value delta = json_of(events[i].data);
    EXPECT_EQ(delta.at("type"), "transcript.text.delta");
    text += delta.at("delta").as_string();
  }
  const json::value done = json_of(events[3].data);
  EXPECT_EQ(done.at("type"), "transcript.text.done");
  EXPECT_EQ(done.at("text").as_string(), json::string(text));
  EXPECT_EQ(text, "Hello there. Hello there. Hello there.");
  EXPECT_EQ(done.at("usage").at("seconds"), 27);
  EXPECT_EQ(events[4].data, "[DONE]");
}

TEST_F(FileRoutesTest, OpenAiErrors) {
  const auto error = [](const HttpResponse& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    return json_of(response.body).at("error");
  };
  json::value wrong = error(openai({{"languge", "en"}}), 400);
  EXPECT_EQ(wrong, (json::value{{"code", "unknown_parameter"},
                                {"message", "unknown parameter 'languge'"},
                                {"param", "languge"},
                                {"type", "invalid_request_error"}}));
  EXPECT_EQ(error(openai({}, "no sound"), 400).at("param"), "file");
  EXPECT_EQ(error(openai({}, std::string((8 << 20) + 1, 'x')), 413).at("param"), nullptr);
  EXPECT_EQ(error(testing::call(openai_[0], form_request(), "--b--")->wait(), 400).at("param"), "file");
  EXPECT_EQ(error(testing::call(openai_[0], {}, "x")->wait(), 400).at("code"), "unsupported_media_type");
  const auto unknown = testing::call(openai_[0], form_request(), form({{"model", "gpt-5"}}, recording()))->wait();
  EXPECT_EQ(error(unknown, 404).at("code"), "model_not_found");
}

TEST_F(FileRoutesTest, OpenAiModels) {
  json::value list = json_of(testing::call(openai_[2], {}, "")->wait().body);
  EXPECT_EQ(list.at("object"), "list");
  std::vector<std::string> names;
  for (const json::value& model : list.at("data").as_array()) {
    names.emplace_back(model.at("id").as_string());
    EXPECT_EQ(model.at("object"), "model");
    EXPECT_EQ(model.at("owned_by"), "stenod");
  }
  EXPECT_THAT(names, ElementsAre("whisper-1", "tiny.en", "base"));
  const auto get = [this](const std::string& name) {
    HttpRequest request;
    request.path_parameters = {name};
    return testing::call(openai_[3], request, "")->wait();
  };
  EXPECT_EQ(json_of(get("whisper-1").body),
            (json::value{{"id", "whisper-1"}, {"object", "model"}, {"created", 1700000000}, {"owned_by", "stenod"}}));
  EXPECT_EQ(json_of(get("base").body).at("created"), 1);
  EXPECT_EQ(get("gpt-5").status, 404);
  EXPECT_EQ(json_of(get("gpt-5").body).at("error").at("code"), "model_not_found");
}

TEST_F(FileRoutesTest, BodiesMayBeAsLargeAsTheFileAndALittle) {
  for (const Route& route : {transcribe_, openai_[0], openai_[1]}) {
    EXPECT_EQ(route.max_body_bytes, (8u << 20) + (1u << 20));
    EXPECT_EQ(route.access, Route::Access::kKey);
  }
}

TEST(WarningFields, AreAscii) {
  EXPECT_THAT(warning_fields({"caf\xC3\xA9\r\nX: y"}), ElementsAre(Pair("Stenod-Warning", "caf????X: y")));
}

}  // namespace
}  // namespace stenod::api
