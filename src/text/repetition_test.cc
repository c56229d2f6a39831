#include "text/repetition.h"

#include <gtest/gtest.h>

#include <random>

namespace stenod::text {
namespace {

constexpr int kEot = 50257;
constexpr int kTimestamp = 50364;

std::vector<int> repeated(const std::vector<int>& copy, int times) {
  std::vector<int> tokens;
  for (int i = 0; i < times; ++i) tokens.insert(tokens.end(), copy.begin(), copy.end());
  return tokens;
}

std::vector<int> period_of(int n) {
  std::vector<int> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(100 + i);
  return tokens;
}

/// How many tokens were pushed when the loop was noticed; 0: never.
int noticed_after(const std::vector<int>& tokens) {
  RepetitionDetector detector(kEot);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (detector.push(tokens[i])) return static_cast<int>(i) + 1;
  }
  return 0;
}

TEST(RepetitionDetector, NoticesEveryPeriodAtExactlyItsLength) {
  for (int period = 1; period <= RepetitionDetector::kMaxPeriod; ++period) {
    const int expected = 16 + 4 * period;
    EXPECT_EQ(noticed_after(repeated(period_of(period), 40)), expected) << period;
  }
  EXPECT_EQ(noticed_after(repeated(period_of(RepetitionDetector::kMaxPeriod + 1), 40)), 0);
}

TEST(RepetitionDetector, NamesThePeriodAndTheStretch) {
  RepetitionDetector detector(kEot);
  for (const int token : {7, 8, 9}) EXPECT_FALSE(detector.push(token));
  std::optional<RepetitionDetector::Loop> loop;
  for (const int token : repeated({1, 2, 3}, 10)) loop = detector.push(token);
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop->period, 3);
  EXPECT_EQ(loop->num_tokens, 30);
  EXPECT_FALSE(detector.push(4)) << "the loop is over";
}

TEST(RepetitionDetector, TimestampsBetweenTheCopiesHideNothing) {
  std::vector<int> tokens;
  for (int i = 0; i < 20; ++i) {
    tokens.push_back(kTimestamp + 50 * i);
    for (const int token : period_of(6)) tokens.push_back(token);
    tokens.push_back(kTimestamp + 50 * i + 40);
  }
  EXPECT_GT(noticed_after(tokens), 0);
}

TEST(RepetitionDetector, LetsPeopleRepeatThemselves) {
  EXPECT_EQ(noticed_after(repeated({572}, 3)), 0) << "no no no";
  EXPECT_EQ(noticed_after(repeated({324}, 12)), 0) << "ha ha ha …";
  EXPECT_EQ(noticed_after(repeated({502}, 16)), 0) << "a long number of ones";
  EXPECT_EQ(noticed_after(repeated(period_of(5), 6)), 0) << "a laugh in a script of many tokens";
  EXPECT_EQ(noticed_after(repeated(period_of(12), 4)), 0) << "a refrain";
}

TEST(RepetitionDetector, ChangingTokensAreNoLoop) {
  std::mt19937 random(1);
  std::vector<int> tokens;
  for (int i = 0; i < 448; ++i) tokens.push_back(static_cast<int>(random() % 40));
  EXPECT_EQ(noticed_after(tokens), 0);
  std::vector<int> counting;
  for (int i = 0; i < 100; ++i) counting.insert(counting.end(), {1000 + i, 11});
  EXPECT_EQ(noticed_after(counting), 0) << "one, two, three, …";
}

}  // namespace
}  // namespace stenod::text
