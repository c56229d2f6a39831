#include "live/warm_up.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

namespace stenod::live {
namespace {

/// Answers each request on a thread of its own, as the engine does; `fails`: which of them, from 0.
class SlowModel {
 public:
  explicit SlowModel(int refuses = -1, int fails = -1) : refuses_(refuses), fails_(fails) {}
  ~SlowModel() {
    for (std::thread& thread : threads_) thread.join();
  }

  SpeechModel model() {
    SpeechModel model;
    model.num_mels = 128;
    model.recognise = [this](engine::Request request, engine::Callback callback) -> Status {
      const int index = static_cast<int>(requests.size());
      requests.push_back(std::move(request));
      if (index == refuses_) return Error{ErrorCode::kOverloaded, "full"};
      threads_.emplace_back([this, index, callback = std::move(callback)] {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        {
          const std::lock_guard lock(mutex_);
          ++num_answers_;
        }
        if (index == fails_) return callback(Error{ErrorCode::kInternal, "broken"});
        callback(engine::WindowResult());
      });
      return {};
    };
    return model;
  }
  int num_answers() {
    const std::lock_guard lock(mutex_);
    return num_answers_;
  }

  std::vector<engine::Request> requests;

 private:
  const int refuses_, fails_;
  std::mutex mutex_;
  int num_answers_ = 0;
  std::vector<std::thread> threads_;
};

TEST(WarmUp, RunsWindowsUpToTheLongestAndWaitsForThem) {
  SlowModel model;
  const auto share = warm_up(model.model());
  ASSERT_TRUE(share);
  EXPECT_GT(*share, 0);
  ASSERT_FALSE(model.requests.empty());
  EXPECT_EQ(model.num_answers(), static_cast<int>(model.requests.size()));
  std::vector<int> lengths;
  for (const engine::Request& request : model.requests) {
    lengths.push_back(request.audio->num_frames);
    EXPECT_EQ(request.audio->num_mels, 128);
    EXPECT_EQ(request.audio->values.size(), static_cast<std::size_t>(request.audio->num_frames) * 128);
    EXPECT_FALSE(request.options.may_repeat) << "silence is doubtful";
  }
  EXPECT_GE(lengths.size(), 3u);
  // Then groups of one length, which are measured.
  lengths.erase(std::next(std::find(lengths.begin(), lengths.end(), audio::kMaxWindowFrames)), lengths.end());
  EXPECT_TRUE(std::is_sorted(lengths.begin(), lengths.end()));
  EXPECT_EQ(std::adjacent_find(lengths.begin(), lengths.end()), lengths.end()) << "each length once";
  EXPECT_EQ(lengths.back(), audio::kMaxWindowFrames);
}

TEST(WarmUp, ErrorsAreTheEngines) {
  SlowModel broken(-1, 2);
  const auto failed = warm_up(broken.model());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kInternal);
  EXPECT_EQ(failed.error().message, "broken");

  SlowModel full(3);
  const auto refused = warm_up(full.model());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
}

}  // namespace
}  // namespace stenod::live
