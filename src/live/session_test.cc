#include "live/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <map>
#include <new>
#include <numeric>
#include <random>
#include <sstream>

#include "live/testing/spoken_numbers.h"

namespace stenod::live {
namespace {

using testing::NumberModel;
using testing::pause;
using testing::say;
using testing::word;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SessionSettings settings_16k() {
  SessionSettings settings;
  settings.format.encoding = audio::StreamEncoding::kInt16;
  return settings;
}

/// A session on a strand of its own, and what it has said.
class Harness {
 public:
  explicit Harness(SessionSettings settings = settings_16k(), NumberModel* model = nullptr)
      : model_(model != nullptr ? *model : own_model_) {
    on_strand([&] {
      Session::Parts parts{
          model_.model(), nullptr, strand_, [this](Event event) { events.push_back(std::move(event)); },
          [this](int, double, double, const std::string& reason, const std::string&) { ++suppressed[reason]; }};
      auto created = Session::create(std::move(parts), settings);
      ASSERT_TRUE(created) << created.error().message;
      session = *created;
    });
  }
  ~Harness() {
    on_strand([&] { session.reset(); });
  }

  /// Runs `task` on the strand, and what comes of it there: the answers to what it asks for, and to what they ask for.
  void on_strand(const std::function<void()>& task) {
    strand_.post(task);
    std::promise<void> done;
    post_behind(3, done);
    done.get_future().get();
  }
  void post_behind(int rounds, std::promise<void>& done) {
    strand_.post([this, rounds, &done] { rounds == 0 ? done.set_value() : post_behind(rounds - 1, done); });
  }

  /// Sends samples in messages of `size` bytes, at the pace of real time.
  void send(const std::vector<std::int16_t>& samples, std::size_t size = 8192) {
    const auto bytes = std::as_bytes(std::span(samples));
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      const auto message = bytes.subspan(at, std::min(size, bytes.size() - at));
      now += std::chrono::microseconds(message.size() * 1000000 / 32000);
      on_strand([&] { ASSERT_TRUE(session->push(message, now)); });
    }
  }
  void end() {
    on_strand([&] { session->end("end"); });
    while (model_.release()) on_strand([] {});
    on_strand([] {});
  }

  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }
  std::vector<std::string> final_texts() const {
    std::vector<std::string> texts;
    for (const Final& message : all<Final>()) texts.push_back(message.text);
    return texts;
  }
  std::vector<std::string> final_words() const {
    std::vector<std::string> words;
    for (const Final& message : all<Final>()) {
      std::istringstream in(message.text);
      for (std::string w; in >> w;) words.push_back(w);
    }
    return words;
  }

  NumberModel own_model_;
  NumberModel& model_;
  ThreadPool pool_{1};
  Strand strand_{pool_};
  std::vector<Event> events;
  std::map<std::string, int> suppressed;
  std::shared_ptr<Session> session;
  Session::Clock::time_point now = Session::Clock::now();
};

std::vector<std::string> words_of(int first, int last) {
  std::vector<std::string> words;
  for (int i = first; i <= last; ++i) words.push_back(word(i));
  return words;
}

void say_all(std::vector<std::int16_t>& samples, int first, int last) {
  for (int i = first; i <= last; ++i) say(samples, i);
}

void expect_ledger(const Harness& harness, std::int64_t num_frames) {
  const auto ends = harness.all<End>();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_TRUE(ends.front().is_accounted);
  for (const LedgerTotals& totals : ends.front().channels) {
    EXPECT_EQ(totals.received, num_frames);
    std::int64_t sum = totals.transcribed + totals.silence;
    for (const auto& [reason, frames] : totals.dropped) sum += frames;
    EXPECT_EQ(sum, num_frames);
  }
}

void expect_promises_kept(const Harness& harness) {
  std::map<std::int64_t, std::string> promised;
  std::map<std::int64_t, int> revisions;
  for (const Event& event : harness.events) {
    if (const auto* partial = std::get_if<Partial>(&event)) {
      EXPECT_TRUE(partial->text.starts_with(promised[partial->utterance])) << partial->text;
      EXPECT_TRUE(partial->text.starts_with(partial->stable)) << partial->text << " / " << partial->stable;
      EXPECT_EQ(partial->revision, ++revisions[partial->utterance]);
      promised[partial->utterance] = partial->stable;
    } else if (const auto* message = std::get_if<Final>(&event)) {
      EXPECT_TRUE(message->text.starts_with(promised[message->utterance]))
          << message->text << " / " << promised[message->utterance];
      promised.erase(message->utterance);
    }
  }
}

TEST(Session, PromptAndBeamGoToTheEngine) {
  SessionSettings settings = settings_16k();
  settings.prompt = "Before.";
  settings.hotwords = "Ng";
  settings.beam_size = 4;
  Harness harness(settings);
  std::vector<std::int16_t> samples;
  for (int i = 1; i <= 6; ++i) say(samples, i);
  pause(samples, 1.5);
  harness.send(samples);
  harness.end();
  int num_beams = 0;
  for (const engine::Request& request : harness.model_.requests()) {
    EXPECT_THAT(request.options.prompt, ElementsAre(2, 7)) << "what the model makes of both";
    const bool is_final = request.request_class == scheduler::RequestClass::kLiveFinal;
    EXPECT_EQ(request.options.search.beam_size, is_final ? 4 : 1);
    num_beams += is_final ? 1 : 0;
  }
  EXPECT_GE(num_beams, 1);
  EXPECT_LT(num_beams, static_cast<int>(harness.model_.requests().size())) << "no partials";
}

TEST(Session, WritesUtterancesWithPartialsBeforeThem) {
  std::vector<std::int16_t> samples;
  pause(samples, 1);
  say_all(samples, 1, 5);
  pause(samples, 1);
  say_all(samples, 6, 8);
  pause(samples, 0.7);
  Harness harness;
  harness.send(samples);
  EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2 w3 w4 w5", "w6 w7 w8"));
  harness.end();

  const auto finals = harness.all<Final>();
  EXPECT_EQ(finals[0].full_transcript, "w1 w2 w3 w4 w5");
  EXPECT_EQ(finals[1].full_transcript, "w1 w2 w3 w4 w5 w6 w7 w8");
  EXPECT_NEAR(finals[0].start, 1.0, 0.05);
  EXPECT_NEAR(finals[0].end, 2.9, 0.05);
  EXPECT_NEAR(finals[1].start, 4.0, 0.05);
  EXPECT_EQ(finals[0].reason, FinalReason::kSilence);
  EXPECT_EQ(finals[0].language, "en");
  const auto partials = harness.all<Partial>();
  ASSERT_GE(partials.size(), 6u);
  EXPECT_EQ(partials.front().text, "w1");
  EXPECT_EQ(partials.front().utterance, finals[0].utterance);
  EXPECT_LT(partials.front().end, 1.7);
  const auto ends = harness.all<End>();
  ASSERT_THAT(ends, SizeIs(1));
  EXPECT_EQ(ends[0].reason, "end");
  EXPECT_EQ(ends[0].full_transcript, "w1 w2 w3 w4 w5 w6 w7 w8");
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
  expect_promises_kept(harness);
}

TEST(Session, FinalsDoNotDependOnTheSizeOfMessages) {
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 20; ++i) {
    say(samples, i);
    if (i % 4 == 3) pause(samples, 0.7);
  }
  std::vector<std::string> expected;
  for (const std::size_t size : {8192u, 1u, 7u, 1000000u}) {
    std::vector<std::int16_t> some(samples.begin(), size == 1 ? samples.begin() + 32000 : samples.end());
    Harness harness;
    harness.send(some, size);
    harness.end();
    expect_ledger(harness, static_cast<std::int64_t>(some.size()));
    if (size == 1) {
      EXPECT_THAT(harness.final_texts(), ElementsAre("w0 w1 w2 w3"));
    } else {
      EXPECT_EQ(harness.final_words(), words_of(0, 19)) << size;
    }
  }
}

TEST(Session, SpeechThatGoesOnIsWrittenWithoutWaitingForAPause) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 99);  // 40 s
  pause(samples, 1);
  Harness harness;
  harness.send(samples);
  harness.end();
  EXPECT_EQ(harness.final_words(), words_of(0, 99));
  const auto finals = harness.all<Final>();
  EXPECT_GE(finals.size(), 3u);
  for (std::size_t i = 0; i + 1 < finals.size(); ++i) {
    EXPECT_EQ(finals[i].reason, FinalReason::kLength);
    EXPECT_LT(finals[i].end - finals[i].start, 20);
  }
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
  expect_promises_kept(harness);
}

TEST(Session, LongSpeechIsCutWhereItIsQuietIfTheModelSaysNothingInTime) {
  NumberModel model;
  model.answer_of = [](const engine::Request& request) {
    const bool is_partial = request.request_class == scheduler::RequestClass::kLivePartial;
    return is_partial ? NumberModel::Answer::kFails : NumberModel::Answer::kText;
  };
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 149);  // 60 s
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  harness.end();
  EXPECT_EQ(harness.final_words(), words_of(0, 149));
  EXPECT_THAT(harness.all<Partial>(), IsEmpty());
  for (const Final& message : harness.all<Final>()) EXPECT_LE(message.end - message.start, 26);
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, ThePauseAtWhichTheLongestUtteranceEndsIsNoPartOfTheNext) {
  NumberModel model;
  model.answer_of = [](const engine::Request& request) {
    const bool is_partial = request.request_class == scheduler::RequestClass::kLivePartial;
    return is_partial ? NumberModel::Answer::kFails : NumberModel::Answer::kText;
  };
  auto settings = settings_16k();
  settings.silence_ms = 2000;
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 60);  // 24.4 s
  pause(samples, 4);
  Harness harness(settings, &model);
  harness.send(samples);
  harness.end();
  EXPECT_EQ(harness.final_words(), words_of(0, 60));
  EXPECT_THAT(harness.all<Final>(), SizeIs(1));
  EXPECT_THAT(harness.suppressed, IsEmpty());
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, WithoutPartialsLongSpeechIsCutAsWithThem) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 99);  // 40 s
  auto settings = settings_16k();
  settings.partial_interval_ms = 0;
  Harness harness(settings);
  harness.send(samples);
  harness.end();
  EXPECT_EQ(harness.final_words(), words_of(0, 99));
  EXPECT_THAT(harness.all<Partial>(), IsEmpty());
  EXPECT_GE(harness.all<Final>().size(), 3u);
  for (const Final& message : harness.all<Final>()) EXPECT_LE(message.end - message.start, 20);
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, WithoutPartialsPausesShowNothing) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 14);
  pause(samples, 0.3);
  say_all(samples, 15, 18);
  pause(samples, 1);
  auto settings = settings_16k();
  settings.partial_interval_ms = 0;
  Harness harness(settings);
  harness.send(samples);
  EXPECT_THAT(harness.all<Partial>(), IsEmpty());
  EXPECT_EQ(harness.final_words(), words_of(1, 18));
  for (const engine::Request& request : harness.model_.requests()) EXPECT_THAT(request.options.prefix, IsEmpty());
}

TEST(Session, AtAPauseHalfOfALongUtteranceIsPromisedWhateverWasHeardBefore) {
  NumberModel model;
  model.answer_of = [](const engine::Request& request) {
    const bool is_partial = request.request_class == scheduler::RequestClass::kLivePartial;
    return is_partial ? NumberModel::Answer::kFails : NumberModel::Answer::kText;
  };
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 12);  // 4.8 s
  pause(samples, 1);
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  ASSERT_THAT(harness.all<Partial>(), SizeIs(1));
  EXPECT_EQ(harness.all<Partial>()[0].stable, "w1 w2 w3 w4 w5 w6");
  expect_promises_kept(harness);
}

TEST(Session, WhatTheModelIsNotSureOfIsShownButNotPromised) {
  NumberModel model;
  model.logprob_of = [](const engine::Request&) { return -1.2f; };
  model.is_doubtful = true;
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 12);
  pause(samples, 1);
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  EXPECT_GE(harness.all<Partial>().size(), 5u);
  for (const Partial& partial : harness.all<Partial>()) EXPECT_EQ(partial.stable, "");
  EXPECT_EQ(harness.final_words(), words_of(1, 12));
}

TEST(Session, PartialsComeAtTheirRateWhateverTheSizeOfMessages) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 7);  // 2.8 s
  for (const std::size_t size : {640u, 3200u, 8192u}) {
    Harness harness;
    harness.send(samples, size);
    // The first word at 0.4 s or so, then every 400 ms.
    EXPECT_THAT(harness.all<Partial>().size(), ::testing::AllOf(::testing::Ge(5u), ::testing::Le(7u))) << size;
  }
}

TEST(Session, MostOfAnUtteranceIsStableBeforeItsFinal) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 14);  // 6 s
  pause(samples, 1);
  Harness harness;
  harness.send(samples);
  harness.end();
  const auto partials = harness.all<Partial>();
  std::istringstream in(partials.back().stable);
  const auto num_stable = std::distance(std::istream_iterator<std::string>(in), {});
  EXPECT_GE(num_stable, 8);
  expect_promises_kept(harness);
}

TEST(Session, LittleIsAskedForTwice) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 14);
  pause(samples, 1);
  Harness harness;
  harness.send(samples);
  const auto requests = harness.model_.requests();
  EXPECT_EQ(requests.front().request_class, scheduler::RequestClass::kLivePartial);
  EXPECT_FALSE(requests.front().options.may_repeat);
  EXPECT_EQ(requests.back().request_class, scheduler::RequestClass::kLiveFinal);
  EXPECT_TRUE(requests.back().options.may_repeat);
  // The text of the partial before is a draft: known but for the newest words.
  const auto& known = requests.back().options;
  EXPECT_GE(known.prefix.size() + known.draft.size(), 13u);
  EXPECT_FALSE(known.prefix.empty());
  EXPECT_LE(requests.size(), 13u);
}

TEST(Session, ShortNoisesAreDropped) {
  std::vector<std::int16_t> samples;
  pause(samples, 1);
  for (int i = 0; i < 1600; ++i) samples.push_back(i % 16 < 8 ? 9000 : -9000);  // 100 ms
  pause(samples, 1);
  Harness harness;
  harness.send(samples);
  harness.end();
  EXPECT_THAT(harness.all<Final>(), IsEmpty());
  EXPECT_EQ(harness.suppressed["too_short"], 1);
  const auto totals = harness.all<End>().front().channels.front();
  EXPECT_NEAR(static_cast<double>(totals.dropped.at("too_short")), 1600, 600);
  EXPECT_EQ(totals.transcribed, 0);
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, PausesInMidSentenceMustBeLonger) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 5);
  pause(samples, 0.45);
  say_all(samples, 6, 9);  // the end of a sentence
  pause(samples, 0.45);
  say_all(samples, 10, 12);
  pause(samples, 0.7);
  {
    Harness harness;
    harness.send(samples);
    EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2 w3 w4 w5 w6 w7 w8 w9.", "w10 w11 w12"));
  }
  NumberModel unsure;
  unsure.logprob_of = [](const engine::Request&) { return -0.7f; };
  Harness harness(settings_16k(), &unsure);
  harness.send(samples);
  EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2 w3 w4 w5 w6 w7 w8 w9. w10 w11 w12"));
  harness.end();
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, UnsureFinalsAreAskedForTwiceAndTheBetterOneIsTaken) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 4);
  pause(samples, 1);
  for (const auto& logprobs : {std::array{-0.4f, -0.3f}, std::array{-0.3f, -0.4f}}) {
    NumberModel model;
    std::atomic<int> num_finals = 0;
    model.logprob_of = [&](const engine::Request& request) {
      if (request.request_class != scheduler::RequestClass::kLiveFinal) return -0.1f;
      return logprobs[static_cast<std::size_t>(std::min(num_finals++, 1))];
    };
    Harness harness(settings_16k(), &model);
    harness.send(samples);
    harness.end();
    EXPECT_EQ(num_finals, 2);
    ASSERT_THAT(harness.final_texts(), ElementsAre("w1 w2 w3 w4"));
    EXPECT_EQ(harness.all<Final>()[0].avg_logprob, -0.3f);
  }
  NumberModel failing;
  failing.logprob_of = [](const engine::Request&) { return -0.4f; };
  std::atomic<int> num_finals = 0;
  failing.answer_of = [&](const engine::Request& request) {
    const bool is_final = request.request_class == scheduler::RequestClass::kLiveFinal;
    return is_final && ++num_finals == 2 ? NumberModel::Answer::kFails : NumberModel::Answer::kText;
  };
  Harness harness(settings_16k(), &failing);
  harness.send(samples);
  harness.end();
  EXPECT_EQ(num_finals, 2);
  EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2 w3 w4"));
}

TEST(Session, EndFinalizeAndStallCloseWhatIsOpen) {
  std::vector<std::int16_t> two;
  say_all(two, 1, 2);
  {
    Harness harness;
    harness.send(two);
    EXPECT_THAT(harness.all<Final>(), IsEmpty());
    harness.on_strand([&] { harness.session->finalize(); });
    EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2"));
    EXPECT_EQ(harness.all<Final>()[0].reason, FinalReason::kFinalize);
    harness.send(two);
    harness.end();
    EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2", "w1 w2"));
    EXPECT_EQ(harness.all<Final>()[1].reason, FinalReason::kEnd);
    expect_ledger(harness, 2 * static_cast<std::int64_t>(two.size()));
  }
  Harness harness;
  harness.send(two);
  harness.on_strand([&] { harness.session->tick(harness.now + std::chrono::milliseconds(1500)); });
  EXPECT_THAT(harness.all<Final>(), IsEmpty());
  harness.on_strand([&] { harness.session->tick(harness.now + std::chrono::milliseconds(2500)); });
  EXPECT_THAT(harness.final_texts(), ElementsAre("w1 w2"));
  EXPECT_EQ(harness.all<Final>()[0].reason, FinalReason::kStalled);
}

// Wherever a client asks for a final, or stalls, no word is lost but the one that is cut in two.
TEST(Session, FinalizeAndStallInMidSpeechLoseNothing) {
  std::vector<std::int16_t> samples;
  pause(samples, 0.5);
  say_all(samples, 1, 4);
  pause(samples, 1);
  for (const bool stalls : {false, true}) {
    for (std::size_t at = 512; at < samples.size(); at += 512) {
      Harness harness;
      harness.send({samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(at)}, 1024);
      harness.on_strand([&] {
        if (stalls) {
          harness.session->tick(harness.now + std::chrono::milliseconds(2500));
        } else {
          harness.session->finalize();
        }
      });
      harness.send({samples.begin() + static_cast<std::ptrdiff_t>(at), samples.end()}, 1024);
      harness.end();
      std::vector<std::string> words = harness.final_words();
      EXPECT_GE(words.size(), 3u) << at;
      words.erase(std::unique(words.begin(), words.end()), words.end());  // both halves may be understood
      const auto all = words_of(1, 4);
      EXPECT_TRUE(std::includes(all.begin(), all.end(), words.begin(), words.end())) << at;
      EXPECT_EQ(harness.suppressed.count("too_short"), 0u) << at;
      expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
    }
  }
}

TEST(Session, AClientThatIsHeldUpHasNotStalled) {
  NumberModel model;
  model.holds_answers = true;
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 49);  // 20 s
  pause(samples, 1);
  Harness harness(settings_16k(), &model);
  while (harness.session->wants_audio()) harness.send(samples, 1 << 20);
  std::vector<std::int16_t> more;
  say_all(more, 0, 2);
  harness.send(more);
  harness.now += std::chrono::minutes(1);
  harness.on_strand([&] { harness.session->tick(harness.now); });
  while (model.release()) harness.on_strand([] {});
  for (const Final& message : harness.all<Final>()) EXPECT_NE(message.reason, FinalReason::kStalled);
}

TEST(Session, ChunksOfFixedLengthWriteEveryWordOnce) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 49);
  pause(samples, 14);
  say_all(samples, 50, 59);
  for (const double chunk_s : {2.0, 3.0, 3.3, 5.1}) {
    auto settings = settings_16k();
    settings.chunking = Chunking::kFixed;
    settings.chunk_s = chunk_s;
    settings.words = true;
    Harness harness(settings);
    harness.send(samples);
    harness.end();
    EXPECT_EQ(harness.final_words(), words_of(0, 59)) << chunk_s << "\n"
                                                      << ::testing::PrintToString(harness.final_texts());
    EXPECT_GE(harness.all<Final>().size(), static_cast<std::size_t>(24 / chunk_s));
    EXPECT_GT(harness.all<End>()[0].channels[0].silence, 16000);
    double last = 0;
    for (const Final& message : harness.all<Final>()) {
      for (const text::Word& w : message.words) {
        EXPECT_GT(w.start, last - 0.02);
        last = w.start;
      }
    }
    expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
  }
}

TEST(Session, TwoChannelsAreWrittenApart) {
  std::vector<std::int16_t> left, right;
  say_all(left, 1, 4);
  pause(left, 4);
  pause(right, 2);
  say_all(right, 11, 14);
  pause(right, 4);
  const std::size_t length = std::min(left.size(), right.size());
  std::vector<std::int16_t> both;
  for (std::size_t i = 0; i < length; ++i) both.insert(both.end(), {left[i], right[i]});
  auto settings = settings_16k();
  settings.format.num_channels = 2;
  Harness harness(settings);
  harness.send(both, 16384);
  harness.end();
  const auto finals = harness.all<Final>();
  ASSERT_THAT(finals, SizeIs(2));
  EXPECT_EQ(finals[0].text, "w1 w2 w3 w4");
  EXPECT_EQ(finals[0].channel, 0);
  EXPECT_EQ(finals[1].text, "w11 w12 w13 w14");
  EXPECT_EQ(finals[1].channel, 1);
  EXPECT_EQ(finals[1].full_transcript, finals[1].text);
  EXPECT_NE(finals[0].utterance, finals[1].utterance);
  EXPECT_THAT(harness.all<End>()[0].channels, SizeIs(2));
  expect_ledger(harness, static_cast<std::int64_t>(length));
}

TEST(Session, TheLanguageIsKeptOnceItIsKnown) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 4);
  pause(samples, 1);
  say_all(samples, 5, 8);
  pause(samples, 1);
  Harness harness;
  harness.send(samples);
  EXPECT_FALSE(harness.model_.requests().front().options.language_token);
  EXPECT_EQ(harness.model_.requests().back().options.language_token, 1);
  EXPECT_EQ(harness.session->status().language, "en");
  harness.on_strand([&] { EXPECT_TRUE(harness.session->set_language("de")); });
  harness.send(samples);
  EXPECT_EQ(harness.model_.requests().back().options.language_token, 2);
  harness.on_strand([&] { EXPECT_FALSE(harness.session->set_language("tlh")); });
}

TEST(Session, TheFirstFinalSettlesTheLanguageOfAudioThatComesAtOnce) {
  NumberModel model;
  model.holds_answers = true;
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 4; ++i) {
    say_all(samples, 2 * i, 2 * i + 1);
    pause(samples, 1);
  }
  Harness harness(settings_16k(), &model);
  harness.on_strand([&] { ASSERT_TRUE(harness.session->push(std::as_bytes(std::span(samples)), harness.now)); });
  harness.end();
  EXPECT_EQ(harness.final_words(), words_of(0, 7));
  int num_without = 0;
  for (const engine::Request& request : model.requests()) {
    const bool is_final = request.request_class == scheduler::RequestClass::kLiveFinal;
    num_without += is_final && !request.options.language_token ? 1 : 0;
  }
  EXPECT_EQ(num_without, 1);
}

TEST(Session, ALanguageThatIsToBeFoundOutAnewIsNotThatOfWhatIsBeingSaid) {
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 2);
  auto settings = settings_16k();
  settings.language = "de";
  Harness harness(settings);
  harness.send(samples);
  EXPECT_EQ(harness.model_.requests().back().options.language_token, 2);
  harness.on_strand([&] { EXPECT_TRUE(harness.session->set_language(std::nullopt)); });
  harness.send(samples);
  EXPECT_FALSE(harness.model_.requests().back().options.language_token) << "in mid-utterance";
  std::vector<std::int16_t> silence;
  pause(silence, 1);
  harness.send(silence);
  EXPECT_THAT(harness.all<Final>(), SizeIs(1));
  EXPECT_EQ(harness.session->status().language, "") << "what began before tells nothing";
  harness.send(samples);
  harness.send(silence);
  EXPECT_EQ(harness.session->status().language, "en");
}

TEST(Session, WhatWasSaidJustBeforeIsGivenToTheModelAndWrittenOnce) {
  using Answer = NumberModel::Answer;
  for (const Answer answer : {Answer::kText, Answer::kEcho, Answer::kMark}) {
    NumberModel model;
    const auto has_context = [](const engine::Request& request) {
      return request.options.prefix.size() >= 5 && request.options.prefix.front() == 1;
    };
    model.answer_of = [&](const engine::Request& request) { return has_context(request) ? answer : Answer::kText; };
    auto settings = settings_16k();
    settings.partial_interval_ms = 0;
    Harness harness(settings, &model);
    std::vector<std::int16_t> samples;
    say_all(samples, 1, 5);
    pause(samples, 1);
    say_all(samples, 6, 8);
    pause(samples, 1);
    harness.send(samples);
    harness.end();
    EXPECT_EQ(harness.final_words(), words_of(1, 8));
    EXPECT_THAT(harness.final_texts(), SizeIs(2));
    const auto requests = model.requests();
    const auto with_context = std::count_if(requests.begin(), requests.end(), has_context);
    EXPECT_EQ(with_context, 1);
    EXPECT_EQ(requests.size(), answer == Answer::kText ? 2U : 3U) << "the audio alone, then";
  }
}

TEST(Session, FinalsWaitForAFullEngineAndComeInOrder) {
  int refusals = 0;
  NumberModel model;
  model.holds_answers = true;
  model.answer_of = [&](const engine::Request& request) {
    const bool full = request.request_class == scheduler::RequestClass::kLiveFinal && ++refusals % 3 != 0;
    return full ? NumberModel::Answer::kOverloaded : NumberModel::Answer::kText;
  };
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 5; ++i) {
    say_all(samples, 3 * i, 3 * i + 2);
    pause(samples, 1);
  }
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  harness.on_strand([&] { harness.session->end("end"); });
  for (int i = 0; i < 40; ++i) {
    harness.model_.release(static_cast<std::size_t>(7 * i % 5));
    harness.on_strand([&] { harness.session->tick(harness.now); });
  }
  EXPECT_EQ(harness.final_words(), words_of(0, 14));
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, ASenderThatIsAheadOfTheClockIsServedLikeAFileUntilItIsLevel) {
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 10; ++i) {
    say_all(samples, 3 * i, 3 * i + 2);
    pause(samples, 1);
  }
  Harness harness;
  harness.on_strand([&] { ASSERT_TRUE(harness.session->push(std::as_bytes(std::span(samples)), harness.now)); });
  harness.on_strand([&] { ASSERT_TRUE(harness.session->push(std::as_bytes(std::span(samples)), harness.now)); });
  EXPECT_EQ(harness.model_.requests().back().request_class, scheduler::RequestClass::kInteractive);
  const auto before = harness.all<Partial>().size();
  EXPECT_GT(harness.session->status().ahead_s, 10);
  harness.send(samples);  // from here on at the pace of real time
  EXPECT_EQ(harness.model_.requests().back().request_class, scheduler::RequestClass::kLiveFinal);
  EXPECT_GT(harness.all<Partial>().size(), before + 10);
  EXPECT_NEAR(harness.session->status().ahead_s, 0, 1);
}

TEST(Session, ReadingStopsWhileTooMuchWaits) {
  NumberModel model;
  model.holds_answers = true;
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 49);  // 20 s
  pause(samples, 1);
  Harness harness(settings_16k(), &model);
  int num_sent = 0;
  for (; harness.session->wants_audio() && num_sent < 20; ++num_sent) harness.send(samples, 1 << 20);
  EXPECT_THAT(num_sent, ::testing::AllOf(::testing::Ge(4), ::testing::Le(6)));
  while (model.release()) harness.on_strand([] {});
  EXPECT_TRUE(harness.session->wants_audio());
}

TEST(Session, FailuresAreDroppedWithTheirReasonButPromisesStand) {
  NumberModel model;
  int num_finals = 0;
  model.answer_of = [&](const engine::Request& request) {
    if (request.request_class == scheduler::RequestClass::kLivePartial) return NumberModel::Answer::kText;
    ++num_finals;
    return num_finals == 1 ? NumberModel::Answer::kSuppressed : NumberModel::Answer::kFails;
  };
  std::vector<std::int16_t> samples;
  say(samples, 0);
  say(samples, 1);
  pause(samples, 1);
  say(samples, 2);
  say(samples, 3);
  pause(samples, 1);
  say_all(samples, 10, 24);  // long enough for promises
  pause(samples, 1);
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  harness.end();
  EXPECT_EQ(harness.suppressed["repetition"], 1);
  EXPECT_EQ(harness.suppressed["internal"], 1);
  ASSERT_THAT(harness.all<Final>(), SizeIs(1));
  EXPECT_TRUE(harness.all<Final>()[0].text.starts_with("w10 w11 w12"));
  EXPECT_THAT(harness.all<Warning>(), SizeIs(2));
  const auto totals = harness.all<End>()[0].channels[0];
  EXPECT_GT(totals.dropped.at("repetition"), 8000);
  EXPECT_GT(totals.dropped.at("internal"), 8000);
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
  expect_promises_kept(harness);
}

TEST(Session, WhatWasSaidBeforeTheLanguageWasChangedKeepsItsOwn) {
  NumberModel model;
  model.holds_answers = true;
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 3; ++i) {
    say_all(samples, 2 * i, 2 * i + 1);
    pause(samples, 1);
  }
  Harness harness(settings_16k(), &model);
  harness.on_strand([&] { ASSERT_TRUE(harness.session->push(std::as_bytes(std::span(samples)), harness.now)); });
  harness.on_strand([&] { EXPECT_TRUE(harness.session->set_language("de")); });
  harness.on_strand([&] { ASSERT_TRUE(harness.session->push(std::as_bytes(std::span(samples)), harness.now)); });
  harness.end();
  int num_german = 0;
  for (const engine::Request& request : model.requests()) {
    if (request.request_class == scheduler::RequestClass::kLivePartial) continue;
    num_german += request.options.language_token == 2 ? 1 : 0;
  }
  EXPECT_EQ(num_german, 3);
  EXPECT_THAT(harness.all<Final>(), SizeIs(6));
}

TEST(Session, WhatIsKnownWhenTheRestIsGivenUpIsPublished) {
  NumberModel model;
  model.answer_of = [&](const engine::Request& request) {
    model.holds_answers = request.request_class == scheduler::RequestClass::kLiveFinal;
    return NumberModel::Answer::kText;
  };
  auto settings = settings_16k();
  settings.language = "en";
  std::vector<std::int16_t> samples;
  for (int i = 0; i < 3; ++i) {
    say_all(samples, 2 * i, 2 * i + 1);
    pause(samples, 1);
  }
  Harness harness(settings, &model);
  harness.send(samples);
  harness.on_strand([&] { harness.session->end("end"); });
  ASSERT_TRUE(model.release(1));  // the second one waits for the first
  harness.on_strand([] {});
  EXPECT_THAT(harness.final_texts(), IsEmpty());
  harness.on_strand([&] { harness.session->abandon("shutting_down"); });
  EXPECT_THAT(harness.final_texts(), ElementsAre("w2 w3"));
  EXPECT_EQ(harness.suppressed["shutting_down"], 2);
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, AFailureEndsTheSessionAndNothingElse) {
  std::vector<std::int16_t> samples;
  say_all(samples, 0, 3);
  pause(samples, 1);
  NumberModel model;
  int num_events = 0;
  SpeechModel failing = model.model();
  ThreadPool pool(1);
  const Strand strand(pool);
  std::vector<Event> events;
  std::promise<void> done;
  std::shared_ptr<Session> session;
  strand.post([&] {
    Session::Parts parts{failing,
                         nullptr,
                         strand,
                         [&](Event event) {
                           if (++num_events == 1) throw std::bad_alloc();
                           events.push_back(std::move(event));
                         },
                         {}};
    session = *Session::create(std::move(parts), settings_16k());
    const auto now = Session::Clock::now();
    ASSERT_TRUE(session->push(std::as_bytes(std::span(samples)), now));
    strand.post([&] { strand.post([&] { strand.post([&] { done.set_value(); }); }); });
  });
  done.get_future().get();
  ASSERT_FALSE(events.empty());
  const End* end = std::get_if<End>(&events.back());
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reason, "internal");
  std::promise<void> gone;
  strand.post([&] {
    session.reset();
    gone.set_value();
  });
  gone.get_future().get();
}

TEST(Session, WhatWasPromisedIsPublishedAlsoWhenTheRestIsGivenUp) {
  NumberModel model;
  model.answer_of = [&](const engine::Request& request) {
    model.holds_answers = request.request_class == scheduler::RequestClass::kLiveFinal;
    return NumberModel::Answer::kText;
  };
  std::vector<std::int16_t> samples;
  say_all(samples, 1, 14);
  Harness harness(settings_16k(), &model);
  harness.send(samples);
  const std::string promised = harness.all<Partial>().back().stable;
  ASSERT_NE(promised, "");
  harness.on_strand([&] { harness.session->abandon("shutting_down"); });
  EXPECT_THAT(harness.final_texts(), ElementsAre(promised));
  EXPECT_EQ(harness.all<End>().at(0).reason, "shutting_down");
  expect_ledger(harness, static_cast<std::int64_t>(samples.size()));
}

TEST(Session, RefusesSettingsThatTheModelCannotServe) {
  NumberModel numbers;
  ThreadPool pool(1);
  const auto create = [&](SessionSettings settings, SpeechModel model) {
    return Session::create({std::move(model), nullptr, Strand(pool), [](Event) {}, {}}, std::move(settings));
  };
  auto settings = settings_16k();
  settings.language = "tlh";
  EXPECT_EQ(create(settings, numbers.model()).error().param, "language");
  SpeechModel english = numbers.model();
  english.multilingual = false;
  settings.language = "de";
  EXPECT_EQ(create(settings, english).error().param, "language");
  settings.language = "en";
  EXPECT_TRUE(create(settings, english));
  settings.task = whisper::Task::kTranslate;
  EXPECT_EQ(create(settings, english).error().param, "task");
  SpeechModel timeless = numbers.model();
  timeless.has_word_times = false;
  auto fixed = settings_16k();
  fixed.chunking = Chunking::kFixed;
  EXPECT_EQ(create(fixed, timeless).error().code, ErrorCode::kNotSupported);
}

// Whatever is sent, however it is cut, and whatever the engine answers, in whatever order: every sample is accounted
// for once, no promise is broken, and where the engine did its work every word is there once.
class RandomSessions : public ::testing::TestWithParam<int> {};

TEST_P(RandomSessions, AccountForEverySample) {
  // One for the test, and one for the model, which answers on the strand.
  std::mt19937 random(static_cast<std::uint32_t>(GetParam())), answers(static_cast<std::uint32_t>(GetParam()));
  const auto chance = [&](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  const auto answer = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(answers); };

  NumberModel model;
  model.holds_answers = chance(0.6);
  const bool engine_fails = chance(0.4);
  model.answer_of = [&](const engine::Request&) {
    if (!engine_fails || answer(1, 10) > 3) return NumberModel::Answer::kText;
    return static_cast<NumberModel::Answer>(answer(1, 3));
  };
  model.logprob_of = [&](const engine::Request&) { return -0.01f * static_cast<float>(answer(5, 120)); };
  auto settings = settings_16k();
  settings.silence_ms = number(150, 900);
  settings.min_speech_ms = number(0, 250);
  settings.partial_interval_ms = chance(0.2) ? 0 : number(200, 2000);
  settings.words = chance(0.5);
  settings.vad_threshold = 0.01 * number(20, 90);
  settings.format.num_channels = number(1, 2);
  if (chance(0.3)) {
    settings.chunking = Chunking::kFixed;
    settings.chunk_s = 0.01 * number(150, 600);
    settings.overlap_s = 0.01 * number(0, 60);
  }
  bool is_cut = settings.chunking == Chunking::kFixed;  // words may be cut in two

  Harness harness(settings, &model);
  const auto channels = static_cast<std::size_t>(settings.format.num_channels);
  std::vector<std::vector<std::int16_t>> samples(channels);
  std::vector<std::vector<std::string>> spoken(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    for (int i = 0, say_at = number(0, 40); i < number(0, 60); ++i) {
      if (chance(0.2)) pause(samples[c], 0.01 * number(1, 250));
      spoken[c].push_back(word(say_at));
      say(samples[c], say_at++);
    }
  }
  const std::size_t length =
      channels == 1 ? samples[0].size()
                    : std::max(samples[0].size(), samples[1].size()) + static_cast<std::size_t>(number(0, 5000));
  std::vector<std::int16_t> interleaved;
  for (std::size_t i = 0; i < length; ++i) {
    for (auto& channel : samples) interleaved.push_back(i < channel.size() ? channel[i] : std::int16_t{0});
  }

  const auto bytes = std::as_bytes(std::span(interleaved));
  const bool disconnects = chance(0.25);
  bool is_gone = false;
  auto received = static_cast<std::int64_t>(length);
  for (std::size_t at = 0; at < bytes.size() && !is_gone;) {
    const auto size = std::min(bytes.size() - at, static_cast<std::size_t>(number(1, chance(0.1) ? 400000 : 12000)));
    harness.now += std::chrono::microseconds(size * 1000000 / 32000 / channels);
    harness.on_strand([&] { ASSERT_TRUE(harness.session->push(bytes.subspan(at, size), harness.now)); });
    at += size;
    while (chance(0.5) && model.release(static_cast<std::size_t>(number(0, 3)))) {
    }
    if (chance(0.02)) {
      harness.on_strand([&] { harness.session->finalize(); });
      is_cut = true;
    }
    if (chance(0.05)) harness.on_strand([&] { harness.session->tick(harness.now); });
    if (chance(0.05)) {
      const std::optional<std::string> language = chance(0.5) ? std::optional<std::string>("en") : std::nullopt;
      harness.on_strand([&] { EXPECT_TRUE(harness.session->set_language(language)); });
    }
    is_gone = disconnects && chance(0.02);
    if (is_gone) {
      harness.on_strand([&] { harness.session->abandon("disconnected"); });
      received = static_cast<std::int64_t>(at / 2 / channels);
    }
  }
  if (!is_gone) {
    harness.on_strand([&] { harness.session->end("end"); });
    for (int i = 0; i < 500 && harness.all<End>().empty(); ++i) {
      model.release(static_cast<std::size_t>(number(0, 3)));
      harness.on_strand([&] { harness.session->tick(harness.now); });
    }
  }
  const auto ends = harness.all<End>();
  ASSERT_THAT(ends, SizeIs(1));
  EXPECT_TRUE(ends[0].is_accounted);
  for (const LedgerTotals& totals : ends[0].channels) {
    std::int64_t sum = totals.transcribed + totals.silence;
    for (const auto& [reason, frames] : totals.dropped) sum += frames;
    EXPECT_EQ(sum, totals.received);
    EXPECT_EQ(totals.received, received);
  }
  if (settings.chunking == Chunking::kVad) expect_promises_kept(harness);

  std::vector<std::vector<std::string>> written(channels);
  for (const Final& message : harness.all<Final>()) {
    std::istringstream in(message.text);
    for (std::string w; in >> w;) written[static_cast<std::size_t>(message.channel)].push_back(w);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    if (!is_gone && !engine_fails && !is_cut) {
      EXPECT_EQ(written[c], spoken[c]);
    } else if (settings.chunking == Chunking::kVad && !is_cut) {
      // Nothing twice and nothing invented.
      EXPECT_TRUE(std::includes(
          spoken[c].begin(), spoken[c].end(), written[c].begin(), written[c].end(),
          [](const std::string& a, const std::string& b) { return std::stoi(a.substr(1)) < std::stoi(b.substr(1)); }));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSessions, ::testing::Range(0, 60));

}  // namespace
}  // namespace stenod::live
