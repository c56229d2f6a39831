#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <limits>
#include <map>
#include <numeric>

#include "engine/testing/fake_runner.h"

namespace stenod::engine {
namespace {

using namespace std::chrono_literals;
using scheduler::RequestClass;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::fake_audio;
using testing::fake_text;
using testing::fake_tokens;
using testing::FakeRunner;
using testing::FakeRunnerLog;
using testing::Script;
using testing::ScriptOf;
using Outcome = Result<WindowResult>;

const whisper::SpecialTokens kTokens = fake_tokens();

int ts(int frame) { return kTokens.timestamp_begin + frame; }

/// Two segments whose words depend on the id.
Script speech(int id, int) {
  Script script;
  script.tokens = {ts(0)};
  for (int i = 0; i < 3 + id % 20; ++i) script.tokens.push_back(10 + (id * 7 + i * i * 3 + i) % 90);
  script.tokens.insert(script.tokens.end(), {5, ts(40), ts(45), 10 + id % 90, 11 + id % 80, ts(80)});
  script.language = id % 3;
  return script;
}

/// Holds the engine inside encode() until it is opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    arrived_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  bool arrived_ = false;
};

Request request(int id, int num_frames = 300, RequestClass c = RequestClass::kBatch) {
  Request r;
  r.audio = fake_audio(id, num_frames);
  r.request_class = c;
  return r;
}

struct Fixture {
  std::shared_ptr<FakeRunnerLog> log = std::make_shared<FakeRunnerLog>();
  std::unique_ptr<Engine> engine;

  explicit Fixture(ScriptOf script_of = speech, EngineOptions options = {.max_queued = 256},
                   whisper::RunnerLimits limits = {}, std::function<void()> before_encode = nullptr) {
    auto created = Engine::create(std::make_unique<FakeRunner>(limits, script_of, log, before_encode), fake_tokens(),
                                  fake_text(), options);
    EXPECT_TRUE(created);
    engine = std::move(created).value();
  }
  ~Fixture() {
    if (engine) engine->stop(StopMode::kCancel);
    EXPECT_THAT(log->violations, IsEmpty());
  }

  std::future<Outcome> submit(Request r) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    auto future = promise->get_future();
    const auto status =
        engine->submit(std::move(r), [promise](Outcome outcome) { promise->set_value(std::move(outcome)); });
    if (!status) promise->set_value(status.error());
    return future;
  }
  void wait_until_closed() {
    while (true) {
      const auto status = engine->submit(request(50), nullptr);
      if (!status && status.error().code == ErrorCode::kShuttingDown) return;
      std::this_thread::sleep_for(1ms);
    }
  }
  Outcome run(Request r) { return submit(std::move(r)).get(); }
};

ErrorCode code_of(const Outcome& outcome) { return outcome ? ErrorCode::kInternal : outcome.error().code; }

TEST(Engine, SaysWhereTextWithTimestampsLeavesOff) {
  Fixture f([](int id, int) {
    if (id == 1) return Script{.tokens = {ts(0), 20, 21, ts(40), ts(45), 22, ts(80), ts(80), 23}};
    if (id == 2) return Script{.tokens = {ts(0), 20, 21, ts(40)}};
    return Script{.tokens = {ts(0)}, .no_speech_prob = 0.9f};
  });
  const auto pairs = f.run(request(1));
  ASSERT_TRUE(pairs);
  EXPECT_EQ(pairs->continuation.frame, 80);
  EXPECT_EQ(pairs->continuation.num_segments, 2u);
  EXPECT_EQ(pairs->segments.size(), 3u);
  EXPECT_FALSE(pairs->continuation.ends_with_single_timestamp);
  EXPECT_THAT(pairs->continuation.tokens, ElementsAre(ts(0), 20, 21, ts(40), ts(45), 22, ts(80)));

  const auto single = f.run(request(2));
  ASSERT_TRUE(single);
  EXPECT_EQ(single->continuation.frame, 150);
  EXPECT_EQ(single->continuation.num_segments, 1u);
  EXPECT_TRUE(single->continuation.ends_with_single_timestamp);
  EXPECT_EQ(single->last_temperature, 0);

  const auto silent = f.run(request(3));
  ASSERT_TRUE(silent);
  EXPECT_TRUE(silent->suppressed);
  EXPECT_EQ(silent->continuation.frame, 150);
  EXPECT_EQ(silent->continuation.num_segments, 0u);
  EXPECT_THAT(silent->continuation.tokens, IsEmpty());
}

TEST(Engine, SaysHowWarmItHadToGet) {
  Fixture f(
      [](int, int) {
        return Script{.tokens = {ts(0), 20, 21, ts(40)}, .certainty = 2};
      },
      {}, {.max_branches = 5});
  Request r = request(1, audio::kMaxWindowFrames);
  r.options.search.temperatures = {0, 0.4f, 0.8f};
  const auto doubtful = f.run(std::move(r));
  ASSERT_TRUE(doubtful);
  EXPECT_EQ(doubtful->last_temperature, 0.8f);
}

TEST(Engine, WhatWasSaidBeforeMayHaveTimestamps) {
  Fixture f;
  Request r = request(1);
  r.options.prompt = {ts(0), 20, 21, ts(40)};
  EXPECT_TRUE(f.run(r));
  r.options.prompt = {kTokens.no_speech};
  EXPECT_EQ(code_of(f.run(r)), ErrorCode::kInvalidArgument);
  r.options.prompt = {testing::kFakeVocabSize};
  EXPECT_EQ(code_of(f.run(r)), ErrorCode::kInvalidArgument);
  r.options.prompt = {};
  r.options.prefix = {ts(0)};
  EXPECT_EQ(code_of(f.run(r)), ErrorCode::kInvalidArgument);
}

TEST(Engine, WritesDownAWindow) {
  Fixture f;
  const auto result = f.run(request(4));
  ASSERT_TRUE(result);
  ASSERT_EQ(result->segments.size(), 2u);
  EXPECT_NEAR(result->segments[0].start_s, 0, 1e-9);
  EXPECT_NEAR(result->segments[0].end_s, 0.8, 1e-9);
  EXPECT_NEAR(result->segments[1].start_s, 0.9, 1e-9);
  EXPECT_NEAR(result->segments[1].end_s, 1.6, 1e-9);
  EXPECT_EQ(result->segments[1].text, " w14 w15");
  EXPECT_THAT(result->segments[1].tokens, ElementsAre(14, 15));
  EXPECT_EQ(result->language_token, kTokens.languages[1]);
  EXPECT_GT(result->language_probability, 0.9f);
  EXPECT_NEAR(result->no_speech_prob, 0.1, 1e-3);
  EXPECT_GT(result->avg_logprob, -0.5f);
  EXPECT_GT(result->compression_ratio, 0.3f);
  EXPECT_EQ(result->num_attempts, 1);
  EXPECT_EQ(result->window_frames, 288);  // 150 frames, 128 of silence, rounded up to 16
  EXPECT_FALSE(result->suppressed);
  EXPECT_GE(result->timings.queued_s, 0);
  EXPECT_GT(result->timings.encoded_s, 0);
  EXPECT_GT(result->timings.decoded_s, 0);
}

TEST(Engine, ALanguageThatIsGivenIsNotDetected) {
  Fixture f;
  auto r = request(4);
  r.options.language_token = kTokens.languages[2];
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->language_token, kTokens.languages[2]);
  EXPECT_EQ(result->language_probability, 1);
}

TEST(Engine, WordTimesComeFromTheAlignment) {
  Fixture f([](int, int) { return Script{.tokens = {ts(0), 20, 21, 5, 22, 23, ts(100)}}; });
  auto r = request(1, 240);
  r.options.word_times = true;
  r.options.language_token = kTokens.languages[0];
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->segments.size(), 1u);
  const auto& words = result->segments[0].words;
  ASSERT_EQ(words.size(), 4u);
  EXPECT_EQ(words[1].text, " w21.");
  EXPECT_EQ(words[1].first_token, 2);
  EXPECT_EQ(words[1].num_tokens, 2);
  EXPECT_EQ(words[3].first_token, 5);
  // 10 rows over 120 frames. The first word is chosen from row 3, which looks at frames 32 to 40; row 2 looks at 20 to
  // 28, and nothing tells the frames between them apart.
  EXPECT_GE(words[0].start_s, 28 * 0.02);
  EXPECT_LE(words[0].start_s, 36 * 0.02);
  double before = 0;
  for (const auto& word : words) {
    EXPECT_GE(word.start_s, before);
    EXPECT_GE(word.end_s, word.start_s);
    EXPECT_LE(word.end_s, 2.4);
    EXPECT_GT(word.probability, 0.5f);
    before = word.end_s;
  }
}

/// " w20 w21. w22 w23. w24": three sentences, the last without its end.
Script three_sentences(int, int) { return Script{.tokens = {20, 21, 5, 22, 23, 5, 24}}; }

TEST(Engine, TextWithoutTimestampsIsCutAtSentences) {
  for (const bool word_times : {false, true}) {
    Fixture f(three_sentences);
    auto r = request(1, 240);
    r.options.segmentation = whisper::Segmentation::kSentences;
    r.options.word_times = word_times;
    const auto result = f.run(r);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->segments.size(), 3u);
    const char* const texts[] = {" w20 w21.", " w22 w23.", " w24"};
    const std::vector<int> tokens[] = {{20, 21, 5}, {22, 23, 5}, {24}};
    const std::size_t num_words[] = {2, 2, 1};
    double before = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const Segment& segment = result->segments[i];
      EXPECT_EQ(segment.text, texts[i]);
      EXPECT_EQ(segment.tokens, tokens[i]);
      EXPECT_GE(segment.start_s, before);
      EXPECT_GT(segment.end_s, segment.start_s);
      EXPECT_LE(segment.end_s, 2.4);
      before = segment.end_s;
      ASSERT_EQ(segment.words.size(), word_times ? num_words[i] : 0u);
      if (!word_times) continue;
      EXPECT_EQ(segment.words.front().start_s, segment.start_s);
      EXPECT_EQ(segment.words.back().end_s, segment.end_s);
    }
    // The alignment gives the times: 11 rows over 2.4 s, of which the last sentence comes near the end.
    EXPECT_LT(result->segments[0].end_s, 1.6);
    EXPECT_GT(result->segments[2].start_s, 1.6);
  }
}

TEST(Engine, PunctuationIsPartOfTheWordsThatTheCallerWants) {
  Fixture f(three_sentences);
  auto r = request(1, 240);
  r.options.segmentation = whisper::Segmentation::kSentences;
  r.options.word_times = true;
  const auto usual = f.run(r);
  r.options.punctuations = text::Punctuations{.appended = ""};
  const auto apart = f.run(r);
  ASSERT_TRUE(usual && apart);
  ASSERT_EQ(apart->segments.size(), usual->segments.size()) << "sentences end where they do";
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(apart->segments[i].text, usual->segments[i].text);
    EXPECT_EQ(apart->segments[i].tokens, usual->segments[i].tokens);
  }
  ASSERT_EQ(apart->segments[1].words.size(), 3u);
  EXPECT_EQ(apart->segments[1].words[1].text, " w23");
  EXPECT_EQ(apart->segments[1].words[2].text, ".");
  r.options.word_times = false;
  const auto without = f.run(r);
  ASSERT_TRUE(without);
  EXPECT_EQ(without->segments.size(), 3u);
  EXPECT_EQ(without->segments[0].end_s, usual->segments[0].end_s);
}

TEST(Engine, TextMayStayWhole) {
  for (const bool word_times : {false, true}) {
    Fixture f(three_sentences);
    auto r = request(1, 240);
    r.options.segmentation = whisper::Segmentation::kWhole;
    r.options.word_times = word_times;
    const auto result = f.run(r);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->segments.size(), 1u);
    EXPECT_EQ(result->segments[0].text, " w20 w21. w22 w23. w24");
    EXPECT_THAT(result->segments[0].tokens, ElementsAre(20, 21, 5, 22, 23, 5, 24));
    EXPECT_EQ(result->segments[0].words.size(), word_times ? 5u : 0u);
    if (word_times) continue;
    EXPECT_EQ(result->segments[0].start_s, 0);
    EXPECT_NEAR(result->segments[0].end_s, 2.4, 1e-9);
  }
}

TEST(Engine, SuppressedTextIsNotCut) {
  Fixture f([](int, int) { return Script{.tokens = {20, 21, 5}, .no_speech_prob = 0.9f, .certainty = 3}; });
  auto r = request(1);
  r.options.segmentation = whisper::Segmentation::kSentences;
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->suppressed, whisper::QualityIssue::kNoSpeech);
  EXPECT_EQ(result->suppressed_text, " w20 w21.");
  EXPECT_THAT(result->segments, IsEmpty());
}

void expect_same(const WindowResult& a, const WindowResult& b) {
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    EXPECT_EQ(a.segments[i].tokens, b.segments[i].tokens);
    EXPECT_EQ(a.segments[i].start_s, b.segments[i].start_s);
    EXPECT_EQ(a.segments[i].end_s, b.segments[i].end_s);
  }
  EXPECT_EQ(a.language_token, b.language_token);
  EXPECT_EQ(a.language_probability, b.language_probability);
  EXPECT_EQ(a.avg_logprob, b.avg_logprob);  // every bit
  EXPECT_EQ(a.no_speech_prob, b.no_speech_prob);
}

TEST(Engine, AWindowGivesTheSameAloneAndAmong31Others) {
  std::vector<Outcome> alone;
  for (int id = 0; id < 32; ++id) {
    Fixture f;
    alone.push_back(f.run(request(id, 100 + 17 * id)));
  }
  Fixture f;
  std::vector<std::future<Outcome>> futures;
  for (int id = 0; id < 32; ++id) {
    futures.push_back(f.submit(request(id, 100 + 17 * id, static_cast<RequestClass>(id % 4))));
  }
  for (std::size_t i = 0; i < 32; ++i) {
    const auto among = futures[i].get();
    ASSERT_TRUE(among && alone[i]);
    expect_same(*among, *alone[i]);
  }
  EXPECT_GT(f.log->max_rows_seen, 8);
}

Script looping_below(int frames, int id, int num_frames) {
  if (num_frames >= frames) return speech(id, num_frames);
  Script loop{.tokens = std::vector<int>(400, 33)};
  loop.tokens[0] = ts(0);
  return loop;
}

TEST(Engine, DoubtfulTextIsRepeatedInLongerWindows) {
  struct Case {
    int loops_below;
    std::vector<int> windows;
  };
  for (const Case& c : {Case{0, {288}}, Case{300, {288, 576}}, Case{600, {288, 576, 1500}}}) {
    Fixture f([&](int id, int n) { return looping_below(c.loops_below, id, n); });
    const auto result = f.run(request(4));
    ASSERT_TRUE(result);
    EXPECT_EQ(f.log->encoded_frames, c.windows);
    EXPECT_EQ(result->num_attempts, static_cast<int>(c.windows.size()));
    EXPECT_EQ(result->window_frames, c.windows.back());
    EXPECT_EQ(result->segments.size(), 2u);
    EXPECT_FALSE(result->doubt);
    EXPECT_EQ(f.engine->statistics().repeats, c.windows.size() - 1);
  }
}

Request whole(int id, int num_frames = 300) {
  Request r = request(id, num_frames);
  r.options.segmentation = whisper::Segmentation::kWhole;
  return r;
}

TEST(Engine, PunctuationHidesNoRepetition) {
  // "w33. w33 w33. w33. w33 …": the tokens do not repeat themselves, the words do.
  const auto doubt_about = [](const std::vector<int>& tokens) {
    Fixture f([&](int, int) { return Script{.tokens = tokens}; });
    Request r = whole(4);
    r.options.may_repeat = false;
    return f.run(r)->doubt;
  };
  EXPECT_EQ(doubt_about({33, 1, 33, 33, 2, 33, 3, 33, 33, 33, 4, 33, 33, 5, 33}), whisper::QualityIssue::kRepetition);
  EXPECT_NE(doubt_about({33, 1, 33, 33, 2, 40, 3, 33, 33, 33, 4, 41, 33, 5, 33}), whisper::QualityIssue::kRepetition);
}

TEST(Engine, PartialsAndFullWindowsAreNotRepeated) {
  Fixture f([](int id, int n) { return looping_below(2000, id, n); });
  auto partial = request(4);
  partial.options.may_repeat = false;
  const auto once = f.run(partial);
  ASSERT_TRUE(once);
  EXPECT_EQ(once->num_attempts, 1);
  EXPECT_EQ(once->doubt, whisper::QualityIssue::kRepetition);
  auto full = request(4);
  full.options.window = whisper::WindowPolicy::kFull;
  EXPECT_EQ(f.run(full)->num_attempts, 1);
  EXPECT_THAT(f.log->encoded_frames, ElementsAre(288, 1500));
}

/// Says the same word for ever, or something else that is a little less likely at the beginning.
Script tempted(int, int) {
  return {.tokens = std::vector<int>(400, 33), .certainty = 14, .alternative = {20, 31, 22, 43, 24, 55}};
}

TEST(Engine, DoubtfulTextOfTheLongestWindowIsTriedWarmer) {
  Fixture f(tempted, {}, {.max_branches = 5});
  Request r = whole(4);
  r.options.search.temperatures = {0, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f};
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_THAT(f.log->encoded_frames, ElementsAre(288, 576, 1500)) << "warmer attempts are not encoded again";
  EXPECT_FALSE(result->doubt);
  EXPECT_GT(result->temperature, 0);
  EXPECT_GT(result->num_attempts, 3);
  ASSERT_EQ(result->segments.size(), 1u);
  EXPECT_EQ(result->segments[0].text, " w20 w31 w22 w43 w24 w55");
  EXPECT_EQ(f.engine->statistics().repeats, static_cast<std::uint64_t>(result->num_attempts - 1));
  // The same seed gives the same, another one may not.
  const auto again = f.run(r);
  EXPECT_EQ(again->temperature, result->temperature);
  EXPECT_EQ(again->avg_logprob, result->avg_logprob);

  r.options.search.temperatures = {0};
  const auto cold = f.run(r);
  EXPECT_EQ(cold->temperature, 0);
  EXPECT_EQ(cold->finish, whisper::FinishReason::kRepetition);
  r.options.may_repeat = false;
  r.options.search.temperatures = {0, 1};
  EXPECT_EQ(f.run(r)->num_attempts, 1);
}

TEST(Engine, NoTextIsNoBetterThanDoubtfulText) {
  // A loop, or nothing, which is a little less likely at first.
  Fixture f(
      [](int, int) {
        return Script{.tokens = std::vector<int>(400, 33), .certainty = 14, .alternative = {fake_tokens().end_of_text}};
      },
      {}, {.max_branches = 5});
  Request r = whole(4);
  r.options.window = whisper::WindowPolicy::kFull;
  r.options.search.best_of = 1;
  r.options.search.temperatures = {0.8f};
  bool was_empty = false;
  for (r.options.search.seed = 0; r.options.search.seed < 20 && !was_empty; ++r.options.search.seed) {
    was_empty = f.run(r)->suppressed == whisper::QualityIssue::kEmpty;
  }
  ASSERT_TRUE(was_empty) << "samples may be empty";
  r.options.search.temperatures = {0, 0.8f, 0.8f, 0.8f, 0.8f, 0.8f, 0.8f, 0.8f, 0.8f, 0.8f};
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->num_attempts, 10) << "as long as there is none without a doubt";
  EXPECT_FALSE(result->suppressed);
  EXPECT_EQ(result->segments.at(0).text, " w33");
}

TEST(Engine, OfDoubtfulTextsTheBestCounts) {
  // Without an alternative all of them loop.
  Fixture f([](int, int) { return Script{.tokens = std::vector<int>(400, 33), .certainty = 18}; }, {},
            {.max_branches = 5});
  Request r = whole(4);
  r.options.window = whisper::WindowPolicy::kFull;
  r.options.search.temperatures = {0, 0.2f, 0.4f};
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->num_attempts, 3);
  EXPECT_EQ(result->doubt, whisper::QualityIssue::kRepetition);
  EXPECT_EQ(result->segments.at(0).tokens.size(), 1u) << "the first copy";
}

TEST(Engine, ABeamTakesARowForEachHypothesisAndFindsTheBetterText) {
  Fixture f(tempted, {}, {.max_branches = 5});
  Request r = whole(4);
  r.options.search.beam_size = 5;
  r.options.word_times = true;
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->num_attempts, 1);
  EXPECT_EQ(result->segments.at(0).text, " w20 w31 w22 w43 w24 w55");
  ASSERT_EQ(result->segments.at(0).words.size(), 6u);
  double last = 0;
  for (const auto& word : result->segments[0].words) {
    EXPECT_GE(word.start_s, last);
    last = word.start_s;
  }
  EXPECT_EQ(f.log->max_rows_seen, 5);
}

TEST(Engine, BeamsOfManyWindowsDoNotDisturbEachOther) {
  const auto beam_of = [](int id) {
    Request r = request(id, 100 + 17 * id, static_cast<RequestClass>(id % 4));
    r.options.search.beam_size = 1 + id % 5;
    r.options.word_times = id % 2 == 0;
    if (id % 3 == 0) r.options.segmentation = whisper::Segmentation::kSentences;
    return r;
  };
  const whisper::RunnerLimits limits{.num_slots = 8, .max_rows = 33, .max_branches = 5};
  std::vector<Outcome> alone;
  for (int id = 0; id < 24; ++id) {
    Fixture f(speech, {}, limits);
    alone.push_back(f.run(beam_of(id)));
  }
  Fixture f(speech, {.max_queued = 64}, limits);
  std::vector<std::future<Outcome>> futures;
  for (int id = 0; id < 24; ++id) futures.push_back(f.submit(beam_of(id)));
  for (std::size_t i = 0; i < 24; ++i) {
    const auto among = futures[i].get();
    ASSERT_TRUE(among && alone[i]);
    expect_same(*among, *alone[i]);
  }
}

TEST(Engine, APromptStandsBeforeTheWindow) {
  Fixture f;
  Request r = request(4);
  r.options.prompt = {11, 12, 13};
  const auto result = f.run(r);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->segments.size(), 2u);
  EXPECT_EQ(result->language_token, kTokens.languages[1]);
  EXPECT_NEAR(result->no_speech_prob, 0.1, 1e-3);
  // More than a step takes.
  r.options.prompt.assign(223, 11);
  r.options.prefix.assign(100, 12);
  r.options.segmentation = whisper::Segmentation::kWhole;
  r.options.thresholds.compression_ratio = 100;
  const auto most = f.run(r);
  ASSERT_TRUE(most);
  EXPECT_EQ(most->segments.at(0).tokens, r.options.prefix) << "longer than what the script says";
}

TEST(Engine, SuppressedWindowsSayWhy) {
  Fixture f([](int id, int) {
    Script script{.tokens = {ts(0), 20, 21, ts(40)}, .no_speech_prob = 0.9f, .certainty = 7};
    if (id == 2) script = {.tokens = {ts(0)}};
    return script;
  });
  const auto no_speech = f.run(request(1));
  ASSERT_TRUE(no_speech);
  EXPECT_EQ(no_speech->suppressed, whisper::QualityIssue::kNoSpeech);
  EXPECT_THAT(no_speech->segments, IsEmpty());
  EXPECT_FALSE(no_speech->suppressed_text.empty());
  EXPECT_EQ(no_speech->num_attempts, 3);  // short windows make models doubt real speech
  const auto empty = f.run(request(2));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->suppressed, whisper::QualityIssue::kEmpty);
  EXPECT_EQ(empty->num_attempts, 3);
}

TEST(Engine, RequestsThatTheModelCannotTakeAreRefused) {
  Fixture f;
  const auto expect_refused = [&](Request r, const char* param) {
    const auto status = f.engine->submit(std::move(r), [](Outcome) { FAIL() << "called back"; });
    ASSERT_FALSE(status) << param;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(status.error().param, param);
  };
  const auto with_audio = [](audio::LogMel mel) {
    Request r;
    r.audio = std::make_shared<audio::LogMel>(std::move(mel));
    return r;
  };
  expect_refused({}, "audio");
  expect_refused(with_audio({.num_mels = 80, .num_frames = 1, .values = std::vector<float>(80)}), "audio");
  expect_refused(with_audio({.num_mels = 4, .num_frames = 0, .values = {}}), "audio");
  expect_refused(with_audio({.num_mels = 4, .num_frames = -1, .values = {}}), "audio");
  expect_refused(with_audio({.num_mels = 4, .num_frames = 3001, .values = std::vector<float>(4 * 3001)}), "audio");
  expect_refused(with_audio({.num_mels = 4, .num_frames = 3, .values = std::vector<float>(11)}), "audio");
  auto r = request(1);
  r.options.language_token = 7;
  expect_refused(r, "language");
  r = request(1);
  r.options.max_tokens = 0;
  expect_refused(r, "max_tokens");
  r = request(1);
  r.options.max_initial_timestamp_s = std::numeric_limits<double>::quiet_NaN();
  expect_refused(r, "max_initial_timestamp_s");
  const auto expect_search_refused = [&](const char* param, auto change) {
    r = request(1);
    r.options.search.temperatures = {0, 0.5f};
    r.options.search.best_of = 1;
    change(r.options.search);
    expect_refused(r, param);
  };
  expect_search_refused("beam_size", [](auto& search) { search.beam_size = 0; });
  expect_search_refused("beam_size", [](auto& search) { search.beam_size = 2; });  // this runner has one branch
  expect_search_refused("best_of", [](auto& search) { search.best_of = 2; });
  expect_search_refused("temperature", [](auto& search) { search.temperatures = {}; });
  expect_search_refused("temperature", [](auto& search) { search.temperatures[1] = -0.1f; });
  expect_search_refused("temperature",
                        [](auto& search) { search.temperatures[1] = std::numeric_limits<float>::infinity(); });
  expect_search_refused("patience", [](auto& search) { search.patience = 0; });
  expect_search_refused("length_penalty",
                        [](auto& search) { search.length_penalty = std::numeric_limits<float>::quiet_NaN(); });
  expect_search_refused("repetition_penalty", [](auto& search) { search.repetition_penalty = 0; });
  expect_search_refused("no_repeat_ngram_size", [](auto& search) { search.no_repeat_ngram_size = -1; });
  r = request(1);
  r.options.prompt.assign(224, 11);
  expect_refused(r, "prompt");
  r = request(1);
  r.options.prefix.assign(225, 11);
  expect_refused(r, "prefix");
  r.options.prompt.assign(223, 11);
  r.options.prefix.assign(219, 11);
  expect_refused(r, "prompt");
  r.options.prompt.clear();
  r.options.prefix.assign(1, kTokens.end_of_text);
  expect_refused(r, "prefix");
}

TEST(Engine, ATextFunctionThatThrowsCostsOneRequest) {
  auto text = fake_text();
  text.detokenise = [whole = text.detokenise](std::span<const int> tokens) {
    if (tokens.size() == 2 && tokens[0] == 14) throw std::runtime_error("no such letter");
    return whole(tokens);
  };
  auto log = std::make_shared<FakeRunnerLog>();
  auto engine = Engine::create(std::make_unique<FakeRunner>(whisper::RunnerLimits{}, speech, log), fake_tokens(), text);
  ASSERT_TRUE(engine);
  Fixture f;
  f.engine = *std::move(engine);
  const auto expected = f.run(request(5));
  ASSERT_TRUE(expected);
  const auto failed = f.run(request(4));
  EXPECT_EQ(code_of(failed), ErrorCode::kInternal);
  const auto after = f.run(request(5));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->segments.size(), expected->segments.size());
}

TEST(Engine, EnginesThatCannotWorkAreNotCreated) {
  const auto create = [](whisper::RunnerLimits limits, whisper::SpecialTokens tokens, TextFunctions text,
                         EngineOptions options) {
    auto runner = std::make_unique<FakeRunner>(limits, speech, std::make_shared<FakeRunnerLog>());
    const auto created = Engine::create(std::move(runner), std::move(tokens), std::move(text), options);
    return created ? std::string() : created.error().param;
  };
  EXPECT_EQ(create({}, fake_tokens(), fake_text(), {}), "");
  EXPECT_EQ(Engine::create(nullptr, fake_tokens(), fake_text()).error().param, "runner");
  EXPECT_EQ(create({.num_slots = 0}, fake_tokens(), fake_text(), {}), "runner");
  EXPECT_EQ(create({.max_rows = 3}, fake_tokens(), fake_text(), {}), "runner");
  EXPECT_EQ(create({.max_group_frames = 1499}, fake_tokens(), fake_text(), {}), "runner");
  EXPECT_EQ(create({}, fake_tokens(), {}, {}), "text");
  EXPECT_EQ(create({}, fake_tokens(), fake_text(), {.max_queued = 0}), "max_queued");
  auto tokens = fake_tokens();
  tokens.timestamp_begin += 1;  // <|30.00|> would lie behind the vocabulary
  EXPECT_EQ(create({}, tokens, fake_text(), {}), "tokens");
  tokens = fake_tokens();
  tokens.no_speech = 1 << 20;
  EXPECT_EQ(create({}, tokens, fake_text(), {}), "tokens");
  tokens = fake_tokens();
  tokens.languages.push_back(-1);
  EXPECT_EQ(create({}, tokens, fake_text(), {}), "tokens");
}

TEST(Engine, AFullQueueRefuses) {
  Gate gate;
  Fixture f(speech, {.max_queued = 3}, {}, [&] { gate.pass(); });
  auto first = f.submit(request(1));
  gate.wait_for_arrival();  // the first holds a slot now, the queue is empty
  std::vector<std::future<Outcome>> accepted;
  for (int i = 0; i < 3; ++i) accepted.push_back(f.submit(request(2 + i)));
  EXPECT_EQ(code_of(f.run(request(9))), ErrorCode::kOverloaded);
  gate.open();
  EXPECT_TRUE(first.get());
  for (auto& future : accepted) EXPECT_TRUE(future.get());
  EXPECT_TRUE(f.run(request(9)));
  const auto statistics = f.engine->statistics();
  EXPECT_EQ(statistics.overloaded, 1u);
  EXPECT_EQ(statistics.submitted, 5u);
  EXPECT_EQ(statistics.completed, 5u);
}

TEST(Engine, CancelledRequestsEndBetweenStepsAndFreeTheirSlots) {
  Gate gate;
  Fixture f(speech, {.max_queued = 8}, {.num_slots = 1}, [&] { gate.pass(); });
  std::stop_source active;
  std::stop_source waiting;
  auto r = request(1);
  r.cancellation = active.get_token();
  auto first = f.submit(r);
  gate.wait_for_arrival();
  r.cancellation = waiting.get_token();
  auto second = f.submit(r);
  auto third = f.submit(request(3));
  active.request_stop();
  waiting.request_stop();
  gate.open();
  EXPECT_EQ(code_of(first.get()), ErrorCode::kCancelled);
  EXPECT_EQ(code_of(second.get()), ErrorCode::kCancelled);
  EXPECT_TRUE(third.get());
  EXPECT_EQ(f.engine->statistics().cancelled, 2u);
}

TEST(Engine, DeadlinesEndRequests) {
  Fixture f;
  auto late = request(1);
  late.deadline = std::chrono::steady_clock::now() - 1s;
  EXPECT_EQ(code_of(f.run(late)), ErrorCode::kDeadlineExceeded);
  auto early = request(1);
  early.deadline = std::chrono::steady_clock::now() + 1h;
  EXPECT_TRUE(f.run(early));
  EXPECT_EQ(f.engine->statistics().deadline_exceeded, 1u);
}

TEST(Engine, FailuresHarmNobodyElse) {
  const auto scripts = [](int id, int n) {
    Script script = speech(id, n);
    script.encode_fails = id % 8 == 1;
    script.step_fails_at = id % 8 == 2 ? 6 : -1;
    script.nan_at = id % 8 == 3 ? 5 : id % 8 == 4 ? 0 : -1;
    return script;
  };
  Gate gate;
  Fixture f(scripts, {.max_queued = 64}, {}, [&] { gate.pass(); });
  std::vector<std::future<Outcome>> futures;
  for (int id = 0; id < 48; ++id) futures.push_back(f.submit(request(id)));
  gate.open();  // now they share groups and steps
  for (int id = 0; id < 48; ++id) {
    const auto outcome = futures[static_cast<std::size_t>(id)].get();
    const bool fails = id % 8 >= 1 && id % 8 <= 4;
    EXPECT_EQ(outcome.ok(), !fails) << id;
    if (!outcome) {
      EXPECT_EQ(outcome.error().code, ErrorCode::kInternal);
    } else {
      Fixture alone;
      expect_same(*outcome, *alone.run(request(id)));
    }
  }
  EXPECT_EQ(f.engine->statistics().failed, 24u);
}

TEST(Engine, StopDrainsOrCancels) {
  for (const auto mode : {StopMode::kDrain, StopMode::kCancel}) {
    Gate gate;
    Fixture f(speech, {.max_queued = 64}, {.num_slots = 2}, [&] { gate.pass(); });
    std::vector<std::future<Outcome>> futures;
    for (int id = 0; id < 10; ++id) futures.push_back(f.submit(request(id)));
    gate.wait_for_arrival();
    auto stopped = std::async(std::launch::async, [&] { f.engine->stop(mode); });
    f.wait_until_closed();
    gate.open();
    stopped.get();
    for (auto& future : futures) {
      ASSERT_EQ(future.wait_for(0s), std::future_status::ready);
      const auto outcome = future.get();
      if (mode == StopMode::kDrain) {
        EXPECT_TRUE(outcome);
      } else {
        EXPECT_EQ(code_of(outcome), ErrorCode::kShuttingDown);
      }
    }
    f.engine->stop(mode);  // again is harmless
  }
}

TEST(Engine, CancelEndsADrain) {
  Gate gate;
  Fixture f(speech, {.max_queued = 64}, {.num_slots = 1}, [&] { gate.pass(); });
  auto future = f.submit(request(1));
  gate.wait_for_arrival();
  auto drained = std::async(std::launch::async, [&] { f.engine->stop(StopMode::kDrain); });
  auto cancelled = std::async(std::launch::async, [&] {
    f.wait_until_closed();
    gate.open();
    f.engine->stop(StopMode::kCancel);
  });
  drained.get();
  cancelled.get();
  EXPECT_EQ(future.wait_for(0s), std::future_status::ready);
}

TEST(Engine, CallbacksMaySubmit) {
  Fixture f;
  std::promise<int> done;
  int num_left = 5;
  std::function<void(Outcome)> again = [&](Outcome outcome) {
    ASSERT_TRUE(outcome);
    if (--num_left == 0) return done.set_value(1);
    ASSERT_TRUE(f.engine->submit(request(num_left), again));
  };
  ASSERT_TRUE(f.engine->submit(request(9), again));
  EXPECT_EQ(done.get_future().get(), 1);
}

TEST(Engine, StatisticsCountTheWork) {
  Fixture f;
  std::vector<std::future<Outcome>> futures;
  for (int id = 0; id < 20; ++id) futures.push_back(f.submit(request(id)));
  for (auto& future : futures) ASSERT_TRUE(future.get());
  f.engine->stop(StopMode::kDrain);
  const auto s = f.engine->statistics();
  EXPECT_EQ(s.submitted, 20u);
  EXPECT_EQ(s.completed, 20u);
  EXPECT_EQ(s.windows_encoded, 20u);
  EXPECT_EQ(s.frames_encoded, 20u * 288);
  EXPECT_LE(s.groups, 20u);
  EXPECT_EQ(std::accumulate(s.steps_by_rows.begin(), s.steps_by_rows.end(), std::uint64_t{0}), s.steps);
  EXPECT_GT(s.step_s, 0);
  EXPECT_GT(s.encode_s, 0);
  EXPECT_EQ(s.num_active, 0);
  EXPECT_EQ(s.num_waiting, 0);
}

}  // namespace
}  // namespace stenod::engine
