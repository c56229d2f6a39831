#include "api/live_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <sstream>
#include <utility>

#include "access/testing/access_folder.h"
#include "api/testing/live_client.h"
#include "base/json.h"
#include "base/log.h"
#include "live/testing/spoken_numbers.h"

namespace stenod::api {
namespace {

using live::testing::NumberModel;
using live::testing::pause;
using live::testing::say;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::LiveClient;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kStart = R"({"type":"start"})";
constexpr const char* kEnd = R"({"type":"end"})";
constexpr const char* kPing = R"({"type":"ping"})";

/// One service, whose model reads numbers out of the audio, and its clients.
class LiveConnectionTest : public ::testing::Test {
 protected:
  LiveConnectionTest() { model_.holds_answers = false; }

  LiveService& service() {
    if (!service_) service_ = std::make_unique<LiveService>(model_.model(), nullptr, nullptr, options_);
    return *service_;
  }
  std::unique_ptr<LiveClient> connect(Fields settings = {}) {
    HttpRequest request;
    request.query = std::move(settings);
    request.query.emplace_back("encoding", "s16le");
    request.client_address = "192.0.2.1";
    auto client = std::make_unique<LiveClient>(service(), request);
    EXPECT_FALSE(client->refusal);
    return client;
  }
  /// Some words; with `then_s` of silence behind them. Said again, they are the same.
  static std::vector<std::int16_t> words(int first, int last, double then_s = 0) {
    std::vector<std::int16_t> samples;
    for (int i = first; i <= last; ++i) say(samples, i);
    pause(samples, then_s);
    return samples;
  }
  /// And the number of utterances in them.
  static std::pair<std::vector<std::int16_t>, std::size_t> five_minutes() {
    std::vector<std::int16_t> samples;
    std::size_t num_utterances = 0;
    for (; samples.size() < 300 * 16000; ++num_utterances) {
      for (int i = 1; i <= 20; ++i) say(samples, i);
      pause(samples, 1);
    }
    return {samples, num_utterances};
  }
  /// Of three words, with a service of its own.
  std::string log_of_a_session(const live::SpeechModel& model, bool log_text) {
    options_.log_text = log_text;
    service_ = std::make_unique<LiveService>(model, nullptr, nullptr, options_);
    ::testing::internal::CaptureStderr();
    init_log("info", LogFormat::kJson);
    {
      const auto client = connect();
      client->send(words(1, 3, 1));
      client->send(kEnd);
      expect_end(*client, "end", 1000);
    }
    init_log("warn");
    return ::testing::internal::GetCapturedStderr();
  }
  static json::value parsed(const std::string& message) {
    auto value = parse_json(message);
    EXPECT_TRUE(value) << message;
    return value ? *value : json::value();
  }
  static std::string text(const json::value& message, const char* name) {
    const json::value* value = message.as_object().if_contains(name);
    return value == nullptr ? "" : std::string(value->as_string());
  }
  static std::vector<json::value> all(const LiveClient& client, std::string_view type) {
    std::vector<json::value> found;
    for (const std::string& message : client.peer->sent) {
      if (text(parsed(message), "type") == type) found.push_back(parsed(message));
    }
    return found;
  }
  /// The types of what came, repetitions left out.
  static std::vector<std::string> types(const LiveClient& client) {
    std::vector<std::string> types;
    for (const std::string& message : client.peer->sent) {
      const std::string type = text(parsed(message), "type");
      if (types.empty() || types.back() != type) types.push_back(type);
    }
    return types;
  }
  static std::vector<std::string> finals(const LiveClient& client) {
    std::vector<std::string> texts;
    for (const json::value& message : all(client, "final")) texts.push_back(text(message, "text"));
    return texts;
  }
  /// "code param" of the errors.
  static std::vector<std::string> errors(const LiveClient& client) {
    std::vector<std::string> errors;
    for (const json::value& message : all(client, "error")) {
      errors.push_back(text(message, "code") + ' ' + text(message, "param"));
    }
    return errors;
  }
  /// The session is over: its last message is `end` with that reason, and it was closed so, once.
  static void expect_end(const LiveClient& client, const std::string& reason, int code) {
    const auto ends = all(client, "end");
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(text(ends[0], "reason"), reason);
    EXPECT_EQ(parsed(client.peer->sent.back()), ends[0]);
    const json::object& audio = ends[0].at("audio").as_object();
    std::int64_t sum = audio.at("transcribed").as_int64() + audio.at("silence").as_int64();
    for (const auto& dropped : audio.at("dropped").as_object()) sum += dropped.value().as_int64();
    EXPECT_EQ(audio.at("received").as_int64(), sum);
    ASSERT_TRUE(client.peer->closed);
    EXPECT_EQ(client.peer->closed->code, code);
    EXPECT_EQ(client.peer->closed->reason, reason);
    EXPECT_EQ(client.peer->num_after_close, 0);
  }

  NumberModel model_;
  LiveServiceOptions options_;
  std::unique_ptr<LiveService> service_;
  const LiveClient::Clock::time_point now_ = LiveClient::Clock::now();
};

TEST_F(LiveConnectionTest, ReadyComesFirstAndOneMessageIsAskedFor) {
  const auto client = connect({{"language", "de"}, {"silence_ms", "700"}});
  ASSERT_THAT(types(*client), ElementsAre("ready"));
  const json::value ready = parsed(client->peer->sent.front());
  EXPECT_EQ(text(ready, "language"), "de");
  EXPECT_EQ(ready.at("silence_ms").as_int64(), 700);
  EXPECT_EQ(text(ready, "session_id").size(), 16u);
  EXPECT_EQ(client->peer->num_reads, 1);
  EXPECT_NE(text(parsed(connect()->peer->sent.front()), "session_id"), text(ready, "session_id"));
}

TEST_F(LiveConnectionTest, AWholeSession) {
  const auto client = connect({{"words", "true"}});
  for (const auto& samples : {words(1, 4, 1), words(5, 6, 1)}) {
    for (std::size_t at = 0; at < samples.size(); at += 4096) {
      const std::size_t size = std::min<std::size_t>(4096, samples.size() - at);
      ASSERT_TRUE(client->send(std::as_bytes(std::span(samples).subspan(at, size))));
      EXPECT_TRUE(client->is_heard()) << "the next message is asked for when this one is done";
    }
  }
  EXPECT_THAT(types(*client), ElementsAre("ready", "partial", "final", "partial", "final"));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3 w4", "w5 w6"));
  for (const json::value& message : all(*client, "partial")) EXPECT_FALSE(message.as_object().contains("channel"));
  EXPECT_FALSE(client->peer->closed);
  ASSERT_TRUE(client->send(kEnd));
  expect_end(*client, "end", 1000);
  EXPECT_EQ(text(all(*client, "end").at(0), "full_transcript"), "w1 w2 w3 w4 w5 w6");
  EXPECT_THAT(errors(*client), IsEmpty());

  const LiveCounters counters = service().counters();
  EXPECT_EQ(counters.opened, 1u);
  EXPECT_EQ(counters.finals, 2u);
  EXPECT_EQ(counters.partials, all(*client, "partial").size());
  EXPECT_EQ(counters.ended.at("end"), 1u);
  EXPECT_NEAR(counters.audio_s, 4.4, 0.01);
  EXPECT_GT(counters.transcribed_s, 2.4);
  EXPECT_LT(counters.transcribed_s, 4.4);
  client->leave();
  EXPECT_EQ(service().counters().ended.size(), 1u) << "that the connection goes then is no second end";
}

TEST_F(LiveConnectionTest, WrongSettingsInTheAddressEndItAtOnce) {
  for (const auto& [query, error] : std::vector<std::pair<Fields, std::string>>{
           {{{"speed", "2"}}, "invalid_argument speed"},
           {{{"silence_ms", "1"}}, "invalid_argument silence_ms"},
           {{{"beam_size", "9"}}, "invalid_argument beam_size"},
           {{{"model", "huge"}}, "model_unknown model"},
           {{{"language", "fr"}}, "invalid_argument language"},  // Whisper knows it, this model does not
           {{{"format", "text"}, {"task", "x"}}, "invalid_argument task"}}) {
    const auto client = connect(query);
    EXPECT_THAT(types(*client), ElementsAre("error"));
    EXPECT_THAT(errors(*client), ElementsAre(error));
    ASSERT_TRUE(client->peer->closed);
    EXPECT_EQ(client->peer->closed->code, 1008);
    EXPECT_EQ(client->peer->closed->reason, error.substr(0, error.find(' ')));
    EXPECT_EQ(client->peer->num_reads, 0);
    client->tick(now_ + seconds(100));
    client->leave();
    EXPECT_EQ(client->peer->num_after_close, 0);
  }
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(LiveConnectionTest, StartChangesSettingsBeforeTheFirstAudio) {
  const auto client = connect({{"silence_ms", "700"}});
  ASSERT_TRUE(client->send(std::string(R"({"type":"start","language":"de","full_transcript":false})")));
  ASSERT_TRUE(client->send(std::vector<std::int16_t>())) << "no audio yet";
  ASSERT_TRUE(client->send(std::string(R"({"type":"start","words":true})")));
  const auto ready = all(*client, "ready");
  ASSERT_EQ(ready.size(), 3u);
  EXPECT_EQ(text(ready[1], "language"), "de");
  EXPECT_EQ(text(ready[2], "language"), "de") << "what was chosen before stays";
  EXPECT_TRUE(ready[2].at("words").as_bool());
  EXPECT_EQ(ready[2].at("silence_ms").as_int64(), 700);
  EXPECT_EQ(text(ready[2], "session_id"), text(ready[0], "session_id"));
  ASSERT_TRUE(client->send(words(1, 3, 1)));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  EXPECT_EQ(model_.requests().back().options.language_token, 2);
  EXPECT_FALSE(all(*client, "final").at(0).as_object().contains("full_transcript"));
  ASSERT_TRUE(client->send(kEnd));
  expect_end(*client, "end", 1000);
  EXPECT_EQ(service().counters().ended.at("end"), 1u) << "the sessions that start replaced were none";
}

TEST_F(LiveConnectionTest, StartBehindAudioIsAnErrorThatKeepsTheText) {
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  ASSERT_TRUE(client->send(kStart));
  EXPECT_THAT(errors(*client), ElementsAre("bad_request type"));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "bad_request", 1008);
}

TEST_F(LiveConnectionTest, HalfASampleIsAudio) {
  const auto client = connect();
  const std::byte half[] = {std::byte{1}};
  ASSERT_TRUE(client->send(std::span(half)));
  ASSERT_TRUE(client->send(kStart));
  expect_end(*client, "bad_request", 1008);
}

TEST_F(LiveConnectionTest, WrongSettingsInStartEndIt) {
  for (const auto& [members, error] :
       std::vector<std::pair<std::string, std::string>>{{R"("vad_threshold":2)", "invalid_argument vad_threshold"},
                                                        {R"("prompt":1)", "invalid_argument prompt"},
                                                        {R"("language":"fr")", "invalid_argument language"}}) {
    const auto client = connect();
    ASSERT_TRUE(client->send(R"({"type":"start",)" + members + '}'));
    EXPECT_THAT(errors(*client), ElementsAre(error));
    expect_end(*client, error.substr(0, error.find(' ')), 1008);
  }
}

TEST_F(LiveConnectionTest, TheLanguageMayChange) {
  const auto client = connect({{"language", "en"}});
  ASSERT_TRUE(client->send(words(1, 2, 1)));
  EXPECT_EQ(model_.requests().back().options.language_token, 1);
  ASSERT_TRUE(client->send(std::string(R"({"type":"update","language":"de"})")));
  EXPECT_EQ(text(all(*client, "ready").back(), "language"), "de");
  ASSERT_TRUE(client->send(words(3, 4, 1)));
  EXPECT_EQ(model_.requests().back().options.language_token, 2);
  ASSERT_TRUE(client->send(std::string(R"({"type":"update","language":"auto"})")));
  EXPECT_EQ(text(all(*client, "ready").back(), "language"), "auto");
  ASSERT_TRUE(client->send(std::string(R"({"type":"update","language":"fr"})")));
  EXPECT_THAT(errors(*client), ElementsAre("invalid_argument language"));
  EXPECT_EQ(all(*client, "ready").size(), 3u);
  expect_end(*client, "invalid_argument", 1008);
}

TEST_F(LiveConnectionTest, FinalizeEndsTheUtteranceAndNotTheStream) {
  const auto client = connect();
  ASSERT_TRUE(client->send(std::string(R"({"type":"finalize"})"))) << "nothing is open, nothing happens";
  ASSERT_TRUE(client->send(words(1, 3)));
  EXPECT_THAT(finals(*client), IsEmpty());
  ASSERT_TRUE(client->send(std::string(R"({"type":"finalize"})")));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  EXPECT_EQ(text(all(*client, "final").at(0), "reason"), "finalize");
  ASSERT_TRUE(client->send(words(4, 6)));
  ASSERT_TRUE(client->send(kEnd));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3", "w4 w5 w6"));
  expect_end(*client, "end", 1000);
}

TEST_F(LiveConnectionTest, TheTwentiethMessageThatIsNotUnderstoodEndsIt) {
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  for (int i = 0; i < 19; ++i) {
    ASSERT_TRUE(client->send(std::string(i % 2 == 0 ? "{" : R"({"type":"dance"})")));
    ASSERT_TRUE(client->send(kPing)) << "what is understood makes up for nothing, and costs nothing";
  }
  EXPECT_EQ(errors(*client).size(), 19u);
  EXPECT_EQ(errors(*client)[0], "json_malformed ");
  EXPECT_EQ(errors(*client)[1], "bad_request type");
  EXPECT_EQ(all(*client, "pong").size(), 19u);
  EXPECT_FALSE(client->peer->closed);
  ASSERT_TRUE(client->send(std::string("[]")));
  EXPECT_EQ(errors(*client).size(), 21u) << "the twentieth, and that it was one too many";
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "bad_request", 1008);
}

TEST_F(LiveConnectionTest, ErrorsEndWithTheSessionHoweverLongItsTextTakes) {
  model_.holds_answers = true;
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  for (int i = 0; i < 100; ++i) {
    client->send(std::string("{"));
    client->send(kStart);
    client->send(std::string(R"({"type":"update","language":"fr"})"));
    client->send(words(7, 8));
  }
  EXPECT_EQ(errors(*client).size(), 2u) << "the first message that was wrong, and the start that ended it";
  const auto num_messages = client->peer->sent.size();
  EXPECT_FALSE(client->peer->closed) << "the final is outstanding";
  ASSERT_TRUE(client->send(kPing));
  EXPECT_EQ(client->peer->sent.size(), num_messages + 1);
  EXPECT_EQ(client->peer->sent.back(), R"({"type":"pong"})");
  while (model_.release()) client->settle();
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "bad_request", 1008);
}

TEST_F(LiveConnectionTest, NothingCountsBehindTheEnd) {
  model_.holds_answers = true;
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  ASSERT_TRUE(client->send(kEnd));
  for (const char* message : {kEnd, kStart, R"({"type":"update","language":"de"})", R"({"type":"finalize"})", "{"}) {
    ASSERT_TRUE(client->send(std::string(message)));
  }
  ASSERT_TRUE(client->send(words(4, 6, 1)));
  client->tick(now_ + std::chrono::hours(2));  // whatever limit that is beyond
  EXPECT_FALSE(client->peer->closed);
  while (model_.release()) client->settle();
  EXPECT_THAT(types(*client), ElementsAre("ready", "final", "end"));
  EXPECT_EQ(all(*client, "ready").size(), 1u);
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "end", 1000);
  EXPECT_NEAR(service().counters().audio_s, 1.2, 0.01);
}

TEST_F(LiveConnectionTest, AClientThatVanishesLeavesItsAccounts) {
  model_.holds_answers = true;
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3, 1)));
  const auto num_messages = client->peer->sent.size();
  EXPECT_EQ(service().sessions().size(), 1u);
  client->leave("does not read");
  EXPECT_EQ(client->peer->sent.size(), num_messages) << "nobody is there to be told";
  EXPECT_FALSE(client->peer->closed);
  EXPECT_THAT(service().sessions(), IsEmpty());
  const LiveCounters counters = service().counters();
  EXPECT_EQ(counters.ended.at("disconnected"), 1u);
  EXPECT_EQ(counters.ended.size(), 1u);
  EXPECT_EQ(counters.suppressed_utterances.at("disconnected"), 1u);
  EXPECT_EQ(counters.transcribed_s, 0);
  bool was_cancelled = false;
  for (const engine::Request& request : model_.requests()) was_cancelled |= request.cancellation.stop_requested();
  EXPECT_TRUE(was_cancelled) << "the engine need not go on";
  while (model_.release()) client->settle();  // too late for anybody
}

TEST_F(LiveConnectionTest, AClientThatIsAheadOfTheEngineIsHeldUpAndNotIdle) {
  model_.holds_answers = true;
  const auto client = connect({{"partial_interval_ms", "0"}});
  const auto samples = words(0, 49, 1);  // 21 s
  int num_sent = 0;
  while (num_sent < 20 && client->send(samples)) ++num_sent;
  EXPECT_GE(num_sent, 4);
  EXPECT_LE(num_sent, 6);
  EXPECT_FALSE(client->is_heard());
  client->tick(now_ + options_.idle_timeout + seconds(5));
  EXPECT_FALSE(client->is_heard());
  EXPECT_THAT(all(*client, "end"), IsEmpty());
  while (model_.release()) client->settle();
  client->tick(now_ + seconds(1));
  EXPECT_TRUE(client->is_heard()) << "read on when there is room again";
  const int num_reads = client->peer->num_reads;
  client->tick(now_ + seconds(2));
  EXPECT_EQ(client->peer->num_reads, num_reads) << "one message at a time";
  EXPECT_TRUE(client->send(kEnd));
  expect_end(*client, "end", 1000);
  EXPECT_EQ(finals(*client).size(), all(*client, "final").size());
}

TEST_F(LiveConnectionTest, AMessageOfManyMinutesIsTakenBitByBit) {
  model_.holds_answers = true;
  const auto client = connect({{"partial_interval_ms", "0"}, {"language", "en"}});
  const auto [samples, num_utterances] = five_minutes();
  ASSERT_TRUE(client->send(samples));
  for (int i = 0; i < 20; ++i) client->settle();
  EXPECT_FALSE(client->is_heard()) << "the rest of the message waits";
  EXPECT_LE(service().sessions().size(), 1u);
  const auto requests = model_.requests();
  EXPECT_LE(requests.size(), 20u) << "90 s of audio wait, no more";
  const auto live = std::count_if(requests.begin(), requests.end(), [](const auto& request) {
    return request.request_class == scheduler::RequestClass::kLiveFinal;
  });
  EXPECT_LE(live, 2) << "what is 10 s ahead of the clock has the class of files";
  EXPECT_GE(requests.size(), 8u);

  for (int i = 1; !client->is_heard() && i < 100; ++i) {
    while (model_.release()) client->settle();
    client->tick(LiveClient::Clock::now());
    for (int k = 0; k < 20; ++k) client->settle();
  }
  ASSERT_TRUE(client->send(kEnd));
  while (model_.release()) client->settle();
  expect_end(*client, "end", 1000);
  EXPECT_EQ(finals(*client).size(), num_utterances);
}

TEST_F(LiveConnectionTest, TheRestOfALongMessageIsDroppedWhenTheSessionEnds) {
  model_.holds_answers = true;
  const auto client = connect({{"partial_interval_ms", "0"}});
  ASSERT_TRUE(client->send(five_minutes().first));
  client->shut_down(LiveClient::Clock::now() + seconds(10));
  for (int i = 0; i < 20; ++i) client->settle();
  while (model_.release()) client->settle();
  expect_end(*client, "shutting_down", 1001);
}

TEST_F(LiveConnectionTest, PlainTextIsNotPreparedInPartials) {
  const auto client = connect({{"format", "text"}});
  ASSERT_TRUE(client->send(words(1, 6, 1)));
  ASSERT_TRUE(client->send(kEnd));
  EXPECT_THAT(client->peer->sent, ElementsAre("w1 w2 w3 w4 w5 w6"));
  EXPECT_EQ(model_.num_requests(), 1u);
}

TEST_F(LiveConnectionTest, SilenceOfTheClientEndsItWithItsFinals) {
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  client->tick(now_ + options_.idle_timeout - seconds(1));
  EXPECT_FALSE(client->peer->closed);
  client->tick(LiveClient::Clock::now() + options_.idle_timeout);
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "idle_timeout", 1008);
}

TEST_F(LiveConnectionTest, AnyMessageShowsThatTheClientIsThere) {
  options_.idle_timeout = seconds(1);
  const auto client = connect();
  const auto opened = LiveClient::Clock::now();
  while (LiveClient::Clock::now() < opened + milliseconds(20)) {
  }
  ASSERT_TRUE(client->send(kPing));
  client->tick(opened + seconds(1) + milliseconds(10));
  EXPECT_FALSE(client->peer->closed);
  client->tick(LiveClient::Clock::now() + seconds(1));
  expect_end(*client, "idle_timeout", 1008);
}

TEST_F(LiveConnectionTest, TheLongestSessionIsWarnedOnceAMinuteBefore) {
  options_.max_session = seconds(600);
  options_.idle_timeout = seconds(3600);
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  client->tick(now_ + seconds(539));
  EXPECT_THAT(all(*client, "warning"), IsEmpty());
  client->tick(now_ + seconds(541));
  client->tick(now_ + seconds(542));
  ASSERT_EQ(all(*client, "warning").size(), 1u);
  EXPECT_EQ(text(all(*client, "warning").at(0), "code"), "session_limit");
  EXPECT_FALSE(client->peer->closed);
  client->tick(now_ + seconds(601));
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "session_limit", 1008);
}

TEST_F(LiveConnectionTest, AShortLimitComesWithoutWarning) {
  options_.max_session = seconds(120);
  options_.idle_timeout = seconds(3600);
  const auto client = connect();
  client->tick(now_ + seconds(100));
  EXPECT_THAT(all(*client, "warning"), IsEmpty());
  client->tick(now_ + seconds(121));
  expect_end(*client, "session_limit", 1008);
}

TEST_F(LiveConnectionTest, AShutdownConcludesWithTheFinals) {
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  client->shut_down(now_ + seconds(10));
  EXPECT_EQ(text(all(*client, "warning").at(0), "code"), "shutting_down");
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "shutting_down", 1001);
}

TEST_F(LiveConnectionTest, WhatIsOutstandingAtTheDeadlineIsGivenUpAndSaidSo) {
  model_.holds_answers = true;
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  client->shut_down(now_ + seconds(10));
  client->tick(now_ + seconds(8));
  EXPECT_FALSE(client->peer->closed);
  client->tick(now_ + milliseconds(8600));
  expect_end(*client, "shutting_down", 1001);
  EXPECT_GT(all(*client, "end").at(0).at("audio").at("dropped").at("shutting_down").as_int64(), 10000);
}

TEST_F(LiveConnectionTest, AShutdownLeavesASessionThatEndsAnywayItsReason) {
  model_.holds_answers = true;
  const auto client = connect();
  ASSERT_TRUE(client->send(words(1, 3)));
  ASSERT_TRUE(client->send(kEnd));
  client->shut_down(now_ + seconds(10));
  while (model_.release()) client->settle();
  EXPECT_THAT(finals(*client), ElementsAre("w1 w2 w3"));
  expect_end(*client, "end", 1000);
}

TEST_F(LiveConnectionTest, PlainTextHasTheFinalsAlone) {
  const auto client = connect({{"format", "text"}});
  ASSERT_TRUE(client->send(words(1, 3, 1)));
  ASSERT_TRUE(client->send(std::string("{")));
  ASSERT_TRUE(client->send(kPing));
  ASSERT_TRUE(client->send(words(4, 5)));
  client->shut_down(now_ + seconds(10));
  EXPECT_THAT(client->peer->sent, ElementsAre("w1 w2 w3", "w4 w5"));
  ASSERT_TRUE(client->peer->closed);
  EXPECT_EQ(client->peer->closed->code, 1001);
}

TEST_F(LiveConnectionTest, MessagesOfSeveralChannelsNameTheirs) {
  const auto client = connect({{"channels", "2"}});
  const auto left = words(1, 3, 3), right = words(11, 13, 3);
  std::vector<std::int16_t> both;
  for (std::size_t i = 0; i < left.size(); ++i) both.insert(both.end(), {left[i], right[i]});
  ASSERT_TRUE(client->send(both));
  std::set<std::pair<std::int64_t, std::string>> said;
  for (const json::value& message : all(*client, "final")) {
    said.emplace(message.at("channel").as_int64(), text(message, "text"));
  }
  EXPECT_EQ(said, (std::set<std::pair<std::int64_t, std::string>>{{0, "w1 w2 w3"}, {1, "w11 w12 w13"}}));
  for (const json::value& message : all(*client, "partial")) EXPECT_TRUE(message.as_object().contains("channel"));
  ASSERT_TRUE(client->send(kEnd));
  expect_end(*client, "end", 1000);
  EXPECT_EQ(all(*client, "end").at(0).at("channels").as_array().size(), 2u);
  EXPECT_NEAR(service().counters().transcribed_s, 2 * 1.35, 0.3) << "seconds of each channel count";
}

TEST_F(LiveConnectionTest, SamplesThatAreNoNumbersAreReportedOnce) {
  HttpRequest request;
  LiveClient client(service(), request);  // encoding=auto: floats
  const std::vector<float> samples(1000, std::numeric_limits<float>::quiet_NaN());
  ASSERT_TRUE(client.send(std::as_bytes(std::span(samples))));
  ASSERT_TRUE(client.send(std::as_bytes(std::span(samples))));
  ASSERT_EQ(all(client, "warning").size(), 1u);
  EXPECT_EQ(text(all(client, "warning").at(0), "code"), "audio_not_finite");
  ASSERT_TRUE(client.send(kEnd));
  EXPECT_EQ(all(client, "end").at(0).at("not_finite").as_int64(), 2000);
}

TEST_F(LiveConnectionTest, TheDaysMinutesEndItOnce) {
  access::AccessFolder folder;
  const auto now = std::chrono::floor<seconds>(std::chrono::system_clock::now());
  const std::string key = folder.create_key({"a", false, {0, 0.05}}, now).text;  // 3 s
  access::Options options;
  options.folder = folder.path();
  const auto access = *access::Access::open(options);
  service_ = std::make_unique<LiveService>(model_.model(), nullptr, access.get(), options_);
  model_.holds_answers = true;
  HttpRequest request;
  request.query = {{"encoding", "s16le"}};
  request.client_address = "192.0.2.1";
  request.principal = *access->authenticate(key, request.client_address);
  {
    LiveClient client(service(), request);
    for (int i = 0; i < 5; ++i) client.send(words(5 * i, 5 * i + 4));  // 2 s each
    EXPECT_THAT(errors(client), ElementsAre("quota_exceeded "));
    while (model_.release()) client.settle();
    expect_end(client, "quota_exceeded", 1008);
    EXPECT_EQ(finals(client).size(), 1u) << "with the text of what was received";
  }
  service_.reset();
}

TEST_F(LiveConnectionTest, FinalsAreLoggedOnlyWhenAskedFor) {
  for (const bool log_text : {false, true}) {
    const std::string log = log_of_a_session(model_.model(), log_text);
    EXPECT_NE(log.find("session_ended"), std::string::npos);
    EXPECT_EQ(log.find("w1 w2 w3") != std::string::npos, log_text) << log;
  }
}

TEST_F(LiveConnectionTest, WhatWasSuppressedIsLoggedOnlyWhenAskedFor) {
  auto model = model_.model();
  model.recognise = [](const engine::Request&, const engine::Callback& callback) -> Status {
    engine::WindowResult result;
    result.suppressed = whisper::QualityIssue::kNoSpeech;
    result.suppressed_text = " a secret";
    callback(std::move(result));
    return {};
  };
  for (const bool log_text : {false, true}) {
    const std::string log = log_of_a_session(model, log_text);
    EXPECT_NE(log.find("utterance_without_text"), std::string::npos);
    EXPECT_EQ(log.find("secret") != std::string::npos, log_text);
    EXPECT_EQ(service().counters().suppressed_utterances.at("no_speech"), 1u);
  }
}

}  // namespace
}  // namespace stenod::api
