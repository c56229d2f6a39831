#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "engine/engine.h"
#include "engine/testing/fake_runner.h"

namespace stenod::engine {
namespace {

using namespace std::chrono_literals;
using scheduler::RequestClass;
using testing::fake_tokens;

testing::Script random_script(int id, int num_frames) {
  const auto tokens = fake_tokens();
  std::mt19937 random(static_cast<unsigned>(id * 7919 + num_frames));
  testing::Script script;
  script.tokens = {tokens.timestamp_begin};
  const int length = static_cast<int>(random() % 60);
  for (int i = 0; i < length; ++i) script.tokens.push_back(10 + static_cast<int>(random() % 90));
  script.tokens.push_back(tokens.timestamp_begin + 30);
  script.no_speech_prob = random() % 10 == 0 ? 0.8f : 0.1f;
  script.encode_fails = random() % 40 == 0;
  if (random() % 40 == 0) script.step_fails_at = static_cast<int>(random() % 20);
  if (random() % 40 == 0) script.nan_at = static_cast<int>(random() % 20);
  return script;
}

struct Counts {
  std::atomic<int> accepted = 0, answered = 0, refused = 0, completed = 0, cancelled = 0, late = 0, ended = 0,
                   failed = 0;
};

void count(Counts& counts, const Result<WindowResult>& outcome) {
  ++counts.answered;
  if (outcome) {
    ++counts.completed;
    return;
  }
  switch (outcome.error().code) {
    case ErrorCode::kCancelled:
      ++counts.cancelled;
      break;
    case ErrorCode::kDeadlineExceeded:
      ++counts.late;
      break;
    case ErrorCode::kShuttingDown:
      ++counts.ended;
      break;
    case ErrorCode::kInternal:
      ++counts.failed;
      break;
    default:
      ADD_FAILURE() << error_name(outcome.error().code);
  }
}

// Requests of every kind from several threads, cancelled and overdue at random, while the engine is stopped.
TEST(EngineStress, EveryAcceptedRequestIsAnsweredOnce) {
  for (int round = 0; round < 4; ++round) {
    auto log = std::make_shared<testing::FakeRunnerLog>();
    const whisper::RunnerLimits limits{
        .num_slots = 4 + round, .max_rows = 40, .max_group_frames = 1500, .max_branches = 5};
    auto engine = std::move(Engine::create(std::make_unique<testing::FakeRunner>(limits, random_script, log),
                                           fake_tokens(), testing::fake_text(), {.max_queued = 24}))
                      .value();
    Counts counts;
    std::vector<std::thread> submitters;
    for (unsigned t = 0; t < 3; ++t) {
      submitters.emplace_back([&, t] {
        std::mt19937 random(t + 10 * static_cast<unsigned>(round));
        std::vector<std::stop_source> sources(8);
        for (int i = 0; i < 150; ++i) {
          Request request;
          request.audio = testing::fake_audio(static_cast<int>(random() % 700), 20 + static_cast<int>(random() % 600));
          request.request_class = static_cast<RequestClass>(random() % 4);
          if (random() % 4 == 0) request.options.language_token = fake_tokens().languages[random() % 3];
          request.options.word_times = random() % 3 == 0;
          request.options.segmentation = static_cast<whisper::Segmentation>(random() % 3);
          request.options.may_repeat = random() % 3 != 0;
          request.options.search.beam_size = random() % 2 == 0 ? 1 : 1 + static_cast<int>(random() % 5);
          if (random() % 2 == 0) request.options.search.temperatures = {0, 0.4f, 1};
          if (random() % 3 == 0) request.options.prompt.assign(1 + random() % 60, 11);
          if (random() % 4 == 0) {
            request.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 20000);
          }
          auto& source = sources[random() % sources.size()];
          request.cancellation = source.get_token();
          const auto status = engine->submit(
              std::move(request), [&counts](const Result<WindowResult>& outcome) { count(counts, outcome); });
          if (status) {
            ++counts.accepted;
          } else {
            ++counts.refused;
            EXPECT_TRUE(status.error().code == ErrorCode::kOverloaded ||
                        status.error().code == ErrorCode::kShuttingDown);
            std::this_thread::sleep_for(1ms);
          }
          if (random() % 12 == 0) {
            source.request_stop();
            source = std::stop_source();
          }
          (void)engine->statistics();
        }
      });
    }
    if (round % 2 == 1) {
      std::this_thread::sleep_for(30ms);
      engine->stop(round == 1 ? StopMode::kCancel : StopMode::kDrain);
    }
    for (auto& thread : submitters) thread.join();
    engine->stop(StopMode::kDrain);
    EXPECT_EQ(counts.answered, counts.accepted);
    const auto s = engine->statistics();
    EXPECT_EQ(s.submitted, static_cast<std::uint64_t>(counts.accepted));
    EXPECT_EQ(s.completed, static_cast<std::uint64_t>(counts.completed));
    EXPECT_EQ(s.cancelled, static_cast<std::uint64_t>(counts.cancelled));
    EXPECT_EQ(s.deadline_exceeded, static_cast<std::uint64_t>(counts.late));
    EXPECT_EQ(s.failed, static_cast<std::uint64_t>(counts.ended + counts.failed));
    EXPECT_EQ(s.num_active, 0);
    EXPECT_EQ(s.num_waiting, 0);
    if (round % 2 == 0) {
      EXPECT_GT(counts.completed, 0);  // how many is a matter of speed
    }
    EXPECT_THAT(log->violations, ::testing::IsEmpty());
  }
}

TEST(EngineStress, DestructionAnswersEverything) {
  for (int round = 0; round < 10; ++round) {
    auto log = std::make_shared<testing::FakeRunnerLog>();
    Counts counts;
    {
      auto engine =
          std::move(Engine::create(std::make_unique<testing::FakeRunner>(whisper::RunnerLimits{}, random_script, log),
                                   fake_tokens(), testing::fake_text()))
              .value();
      for (int i = 0; i < 30; ++i) {
        Request request;
        request.audio = testing::fake_audio(i, 200);
        ASSERT_TRUE(engine->submit(std::move(request),
                                   [&counts](const Result<WindowResult>& outcome) { count(counts, outcome); }));
      }
    }
    EXPECT_EQ(counts.answered, 30);
  }
}

}  // namespace
}  // namespace stenod::engine
