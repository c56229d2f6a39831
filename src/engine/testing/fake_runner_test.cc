#include "engine/testing/fake_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::engine::testing {
namespace {

using ::testing::SizeIs;

/// The fake must notice what it is there to notice.
class FakeRunnerTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeRunnerLog> log_ = std::make_shared<FakeRunnerLog>();
  FakeRunner runner_{
      {.num_slots = 2, .max_rows = 4, .max_group_frames = 1500}, [](int, int) { return Script{}; }, log_};
  std::vector<float> features_ = std::vector<float>(1500 * 2 * kFakeMels, 1.0f);

  whisper::EncodeWindow window(int slot, int frames) {
    return {slot, std::span(features_).first(static_cast<std::size_t>(frames) * 2 * kFakeMels), frames};
  }
  void encode(std::vector<whisper::EncodeWindow> windows) { (void)runner_.encode(windows); }
  void step(std::vector<whisper::StepRow> rows) { (void)runner_.step(rows); }
};

TEST_F(FakeRunnerTest, AcceptsWhatIsRight) {
  encode({window(0, 100), window(1, 200)});
  step({{0, 0, 101, true}, {0, 1, 102, false}, {1, 0, 101, true}});
  runner_.logits(2);
  step({{0, 2, 5, true}});
  step({{0, 1, 5, true}});  // going back is allowed
  EXPECT_THAT(log_->violations, SizeIs(0));
}

TEST_F(FakeRunnerTest, NoticesEveryViolation) {
  const auto expect_one = [&](const char* what) {
    EXPECT_THAT(log_->violations, SizeIs(1)) << what;
    log_->violations.clear();
  };
  step({{0, 0, 101, true}});
  expect_one("never encoded");
  encode({window(2, 100)});
  expect_one("no such slot");
  encode({window(0, 100), window(0, 100)});
  expect_one("slot twice");
  encode({window(0, 800), window(1, 800)});
  expect_one("too many frames");
  encode({{0, features_, 100}});
  expect_one("features of another length");
  step({{0, 1, 101, true}});
  expect_one("position skipped");
  step({{0, 0, 101, true}, {0, 2, 101, true}});
  EXPECT_THAT(log_->violations, SizeIs(2));
  log_->violations.clear();
  step({{0, 0, 101, true}, {1, 0, 101, true}, {0, 1, 101, true}});
  expect_one("rows of a slot apart");
  step({{0, 0, 1, false}, {0, 1, 1, false}, {0, 2, 1, false}, {0, 3, 1, false}, {0, 4, 1, false}});
  expect_one("too many rows");
  runner_.logits(0);
  expect_one("logits not asked for");
  EXPECT_FALSE(runner_.alignment_weights(0, 0, 0, 2, 9, 10));
  expect_one("alignment of rows that were not run");
}

}  // namespace
}  // namespace stenod::engine::testing
