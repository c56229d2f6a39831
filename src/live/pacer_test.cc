#include "live/pacer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace stenod::live {
namespace {

using std::chrono::milliseconds;

/// An engine that is busy for a given share of the time.
class PacerTest : public ::testing::Test {
 protected:
  /// Passes time in steps of 250 ms, and looks at each.
  void pass(double seconds, double share, double of_partials = 1) {
    for (double passed = 0; passed < seconds; passed += 0.25) {
      now_ += milliseconds(250);
      work_.partials_s += 0.25 * share * of_partials;
      work_.finals_s += 0.25 * share * (1 - of_partials);
      pacer_.stretch(now_);
    }
  }

  /// For one more beside one that has been there for long.
  bool has_room() { return pacer_.has_room(1, 0, now_); }

  LiveWork work_{400, 600};  // it has worked before anybody looked
  int num_looks_ = 0;
  Pacer pacer_{[this] {
                 ++num_looks_;
                 return work_;
               },
               0.02};
  Pacer::Clock::time_point now_ = Pacer::Clock::now();
};

TEST_F(PacerTest, BeginsWithoutStretch) {
  EXPECT_EQ(pacer_.stretch(now_), 1);
  EXPECT_EQ(pacer_.busy_share(now_), 0) << "what was before the first look does not count";
  EXPECT_TRUE(has_room());
}

TEST_F(PacerTest, ABusyEngineMakesPartialsRarerUpToALimit) {
  pass(2, 1);
  const double soon = pacer_.stretch(now_);
  EXPECT_GT(soon, 1);
  EXPECT_LT(soon, Pacer::kMaxStretch);
  EXPECT_TRUE(has_room()) << "partials can become rarer still";
  pass(10, 1);
  EXPECT_EQ(pacer_.stretch(now_), Pacer::kMaxStretch);
  EXPECT_FALSE(has_room());
}

TEST_F(PacerTest, IsFullOnlyWhileItIsBusy) {
  pass(20, 1);
  EXPECT_FALSE(has_room());
  pass(15, 0.72);
  EXPECT_EQ(pacer_.stretch(now_), Pacer::kMaxStretch);
  EXPECT_TRUE(has_room());
}

TEST_F(PacerTest, RecoversWhenThereIsTimeAgain) {
  pass(20, 1);
  pass(2, 0.3);
  EXPECT_TRUE(has_room()) << "although partials are still rare";
  const double stretch = pacer_.stretch(now_);
  EXPECT_GT(stretch, 1);
  EXPECT_LT(stretch, Pacer::kMaxStretch);
  pass(20, 0.3);
  EXPECT_EQ(pacer_.stretch(now_), 1);
}

TEST_F(PacerTest, InBetweenItStaysAsItIs) {
  pass(20, 0.72);
  EXPECT_EQ(pacer_.stretch(now_), 1);
  pass(2, 1);
  pass(6, 0.72);
  const double stretch = pacer_.stretch(now_);
  EXPECT_GT(stretch, 1);
  pass(10, 0.72);
  EXPECT_EQ(pacer_.stretch(now_), stretch);
}

TEST_F(PacerTest, PartialsGiveWayAboveFourFifths) {
  pass(30, 0.79);
  EXPECT_EQ(pacer_.stretch(now_), 1);
  pass(30, 0.83);
  EXPECT_GT(pacer_.stretch(now_), 1);
}

TEST_F(PacerTest, TheShareIsThatOfAboutTheLastSecond) {
  pass(5, 0.5);
  EXPECT_NEAR(pacer_.busy_share(now_), 0.5, 0.01);
  pass(0.25, 1);
  EXPECT_GT(pacer_.busy_share(now_), 0.55);
  EXPECT_LT(pacer_.busy_share(now_), 0.75) << "one look says little";
  now_ += std::chrono::minutes(1);  // without a session nobody looks
  EXPECT_NEAR(pacer_.busy_share(now_), 0, 1e-9);
}

TEST_F(PacerTest, ShareAndStretchStayInRangeWhateverTheCounterSays) {
  pass(20, 7);
  EXPECT_LE(pacer_.busy_share(now_), 1);
  EXPECT_EQ(pacer_.stretch(now_), Pacer::kMaxStretch);
  pass(20, -7);
  EXPECT_GE(pacer_.busy_share(now_), 0);
  EXPECT_EQ(pacer_.stretch(now_), 1);
}

TEST_F(PacerTest, TakesAsManyAtOnceAsAreExpectedToFit) {
  pacer_.stretch(now_);
  EXPECT_TRUE(pacer_.has_room(0, 0, now_));
  EXPECT_TRUE(pacer_.has_room(39, 39, now_));
  EXPECT_FALSE(pacer_.has_room(40, 40, now_)) << "0.8 of the time for 41 that need 0.02 each";
}

TEST_F(PacerTest, WhatSessionsAreSeenToNeedCounts) {
  pass(60, 0.4, 0);  // finals alone
  EXPECT_TRUE(pacer_.has_room(10, 0, now_));
  EXPECT_TRUE(pacer_.has_room(18, 8, now_));
  EXPECT_FALSE(pacer_.has_room(21, 11, now_)) << "0.04 each, and 10 of them need half of it";
  EXPECT_TRUE(has_room());
}

TEST_F(PacerTest, PartialsCountAsFarAsTheyCannotBecomeRarer) {
  pass(60, 0.7, 1);
  EXPECT_TRUE(pacer_.has_room(10, 0, now_)) << "0.28 for ten when they are as rare as they get";
  EXPECT_TRUE(pacer_.has_room(29, 19, now_));
  EXPECT_FALSE(pacer_.has_room(30, 20, now_));
  pass(60, 0.9, 1);
  EXPECT_FALSE(pacer_.has_room(10, 0, now_)) << "they are, and it is not enough";
}

TEST_F(PacerTest, AFirstSessionAlwaysHasRoom) {
  Pacer slow([] { return LiveWork(); }, 3);
  EXPECT_TRUE(slow.has_room(0, 0, now_));
  EXPECT_FALSE(slow.has_room(1, 1, now_));
}

TEST_F(PacerTest, WhatThoseNeededWhoHaveLeftDoesNotCount) {
  pass(60, 0.79, 0);
  EXPECT_TRUE(pacer_.has_room(1, 1, now_)) << "all have come just now";
  EXPECT_TRUE(pacer_.has_room(20, 19.5, now_));
  EXPECT_FALSE(pacer_.has_room(20, 10, now_));
}

// All come within two seconds: what they need shows only when it is too late.
TEST_F(PacerTest, ARushIsTakenAsExpected) {
  std::vector<Pacer::Clock::time_point> opened;
  for (int i = 0; i < 200; ++i) {
    now_ += milliseconds(10);
    pacer_.stretch(now_);
    double num_unseen = 0;
    for (const auto at : opened) num_unseen += Pacer::unseen(now_ - at);
    if (pacer_.has_room(static_cast<int>(opened.size()), num_unseen, now_)) opened.push_back(now_);
  }
  EXPECT_GE(opened.size(), 40u);
  EXPECT_LE(opened.size(), 46u) << "0.8 of the time, 0.02 each";
}

TEST_F(PacerTest, SessionsThatAreSilentSayLittleAboutOthers) {
  pass(60, 0);
  EXPECT_TRUE(pacer_.has_room(250, 100, now_));
  EXPECT_FALSE(pacer_.has_room(250, 160, now_)) << "a quarter of what is expected";
}

TEST_F(PacerTest, LooksAtTheEngineFourTimesASecondAtMost) {
  for (int i = 0; i < 1000; ++i) {
    now_ += milliseconds(1);
    pacer_.stretch(now_);
    has_room();
    pacer_.busy_share(now_);
  }
  EXPECT_EQ(num_looks_, 4);
}

TEST(Pacer, SessionsOnSeveralThreadsShareIt) {
  std::atomic<double> busy_s = 0;
  Pacer pacer([&] { return LiveWork{0, busy_s.load()}; });
  const auto start = Pacer::Clock::now();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto now = start + milliseconds(100 * i);
        if (t == 0) busy_s = 0.1 * i;
        const double stretch = pacer.stretch(now);
        EXPECT_GE(stretch, 1);
        EXPECT_LE(stretch, Pacer::kMaxStretch);
        pacer.has_room(4, 0, now);
        EXPECT_LE(pacer.busy_share(now), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace stenod::live
