#include "api/file_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "audio/testing/audio_files.h"
#include "transcribe/testing/scripted_recogniser.h"

namespace stenod::api {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// Holds up the engine until it is opened, or for the time given.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++num_waiting_;
    changed_.notify_all();
    changed_.wait_for(lock, hold_, [this] { return open_; });
    --num_waiting_;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void hold_for(std::chrono::milliseconds hold) {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
  }
  /// False after a minute without anybody at the gate.
  bool wait_for_somebody() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 1min, [this] { return num_waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::milliseconds hold_ = 1min;
  int num_waiting_ = 0;
  bool open_ = false;
};

using Outcome = std::future<Result<transcribe::FileResult>>;

class FileServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    recogniser_ = transcribe::testing::scripted_recogniser(temp_.path(), {.before_encode = [this](int) -> Status {
                                                             gate_.pass();
                                                             return {};
                                                           }});
    ASSERT_TRUE(recogniser_);
    auto spool = SpoolFolder::open(temp_.path() / "spool");
    ASSERT_TRUE(spool);
    spool_ = *std::move(spool);
  }
  void TearDown() override { gate_.open(); }

  /// A recording of one second, or other bytes.
  FileTask task(Outcome& outcome, std::string bytes = {}) {
    if (bytes.empty()) bytes = audio::testing::wav({}, audio::testing::tone(440, 16000, 1));
    FileTask made;
    auto file = spool_->create();
    EXPECT_TRUE(file && (*file)->append(std::as_bytes(std::span(bytes))));
    made.audio = *std::move(file);
    made.recogniser = recogniser_.get();
    auto promise = std::make_shared<std::promise<Result<transcribe::FileResult>>>();
    outcome = promise->get_future();
    made.on_done = [promise](Result<transcribe::FileResult> result) { promise->set_value(std::move(result)); };
    return made;
  }

  /// The code of what comes within a minute.
  static std::string code(Outcome& outcome) {
    if (outcome.wait_for(1min) != std::future_status::ready) return "nothing";
    const auto result = outcome.get();
    return result ? "ok" : std::string(error_name(result.error().code));
  }
  static bool is_waiting(Outcome& outcome) { return outcome.wait_for(0s) != std::future_status::ready; }
  static std::string code(const Status& status) { return status ? "ok" : std::string(error_name(status.error().code)); }

  audio::testing::TempFolder temp_;
  Gate gate_;
  std::unique_ptr<transcribe::Recogniser> recogniser_;
  std::unique_ptr<SpoolFolder> spool_;
};

TEST_F(FileServiceTest, TranscribesAndRemovesTheFile) {
  gate_.open();
  FileService service;
  Outcome outcome;
  FileTask one = task(outcome);
  std::vector<std::string> segments;
  double decoded_s = 0;
  one.on_segment = [&](const text::Segment& segment) { segments.push_back(segment.text); };
  one.on_progress = [&](const transcribe::FileProgress& progress) { decoded_s = progress.decoded_s; };
  one.on_done = [this, on_done = std::move(one.on_done)](Result<transcribe::FileResult> result) {
    EXPECT_EQ(spool_->total_bytes(), 0u) << "nobody needs the file when it is done";
    on_done(std::move(result));
  };
  ASSERT_TRUE(service.submit(std::move(one)));
  const auto result = outcome.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->transcript.text, "Hello there.");
  EXPECT_THAT(segments, ::testing::ElementsAre(" Hello there."));
  EXPECT_EQ(decoded_s, 1);
}

TEST_F(FileServiceTest, ErrorsOfTheFileAreGivenOn) {
  FileService service;
  Outcome outcome;
  ASSERT_TRUE(service.submit(task(outcome, "this is no sound")));
  EXPECT_EQ(code(outcome), "audio_unknown_format");
}

TEST_F(FileServiceTest, RefusesWhatIsTooMuch) {
  FileService service({.max_concurrent = 2, .max_queued = 1});
  Outcome outcomes[4];
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code(service.accepts()), "ok");
    EXPECT_EQ(code(service.submit(task(outcomes[i]))), "ok");
  }
  const Status refused = service.submit(task(outcomes[3]));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(code(service.accepts()), "overloaded");
  gate_.open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(code(outcomes[i]), "ok");
  EXPECT_THROW(outcomes[3].get(), std::future_error) << "a refused task gets no answer";
}

TEST_F(FileServiceTest, WhoLeavesMakesRoom) {
  FileService service({.max_concurrent = 1, .max_queued = 1});
  Outcome working, waiting, next;
  FileTask first = task(working);
  std::stop_source first_client, second_client;
  first.stop = first_client.get_token();
  ASSERT_TRUE(service.submit(std::move(first)));
  ASSERT_TRUE(gate_.wait_for_somebody());
  FileTask second = task(waiting);
  second.stop = second_client.get_token();
  ASSERT_TRUE(service.submit(std::move(second)));
  EXPECT_EQ(code(service.accepts()), "overloaded");

  second_client.request_stop();
  EXPECT_EQ(code(service.accepts()), "ok");
  ASSERT_TRUE(service.submit(task(next)));
  EXPECT_EQ(code(waiting), "cancelled");

  first_client.request_stop();
  gate_.open();
  EXPECT_EQ(code(working), "cancelled");
  EXPECT_EQ(code(next), "ok");
}

TEST_F(FileServiceTest, WhoLeavesInTheQueueIsNotTranscribed) {
  FileService service({.max_concurrent = 1, .max_queued = 2});
  Outcome working, waiting;
  ASSERT_TRUE(service.submit(task(working)));
  ASSERT_TRUE(gate_.wait_for_somebody());
  FileTask left = task(waiting);
  std::stop_source client;
  left.stop = client.get_token();
  left.on_progress = [](const transcribe::FileProgress&) { ADD_FAILURE() << "it was begun"; };
  ASSERT_TRUE(service.submit(std::move(left)));
  client.request_stop();
  gate_.open();
  EXPECT_EQ(code(waiting), "cancelled");
  EXPECT_EQ(code(working), "ok");
}

TEST_F(FileServiceTest, NobodyWaitsForever) {
  FileService service({.max_concurrent = 1, .max_queued = 2, .timeout = 1s});
  Outcome working, waiting;
  ASSERT_TRUE(service.submit(task(working)));
  ASSERT_TRUE(service.submit(task(waiting)));
  EXPECT_EQ(code(waiting), "deadline_exceeded") << "although the one before it holds the thread";
  gate_.open();  // the engine itself is held up here, and gives up a window only between two steps
  EXPECT_EQ(code(working), "deadline_exceeded");
}

TEST_F(FileServiceTest, StopsInTime) {
  FileService service({.max_concurrent = 1, .max_queued = 2});
  Outcome working, waiting, late;
  ASSERT_TRUE(service.submit(task(working)));
  ASSERT_TRUE(gate_.wait_for_somebody());
  ASSERT_TRUE(service.submit(task(waiting)));
  auto stopped = std::async(std::launch::async, [&] { service.stop(std::chrono::steady_clock::now() + 10min); });
  EXPECT_EQ(code(waiting), "shutting_down");
  EXPECT_EQ(code(service.submit(task(late))), "shutting_down");
  EXPECT_EQ(code(service.accepts()), "shutting_down");
  EXPECT_TRUE(is_waiting(working)) << "there is time for it";
  // A second, shorter deadline counts.
  auto stopped_now = std::async(std::launch::async, [&] { service.stop(std::chrono::steady_clock::now()); });
  gate_.open();
  EXPECT_NE(code(working), "nothing");
  EXPECT_EQ(stopped.wait_for(1min), std::future_status::ready);
  EXPECT_EQ(stopped_now.wait_for(1min), std::future_status::ready);
}

TEST_F(FileServiceTest, AnEndingServiceCancelsWhatItWorksOn) {
  gate_.hold_for(500ms);  // each of many windows
  Outcome working;
  auto service = std::make_unique<FileService>();
  FileTask long_one = task(working, audio::testing::wav({}, audio::testing::tone(440, 16000, 900)));
  ASSERT_TRUE(service->submit(std::move(long_one)));
  ASSERT_TRUE(gate_.wait_for_somebody());
  service.reset();
  EXPECT_EQ(code(working), "shutting_down");
}

}  // namespace
}  // namespace stenod::api
