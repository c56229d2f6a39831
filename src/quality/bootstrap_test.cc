#include "quality/bootstrap.h"

#include <gtest/gtest.h>

namespace stenod::quality {
namespace {

TEST(Quantile, IsInterpolated) {
  const std::vector<double> values = {1, 2, 4};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 1.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile(values, 0.75), 3);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{7}, 0.9), 7);
}

TEST(Bootstrap, RateIsThatOfAllTogether) {
  EXPECT_DOUBLE_EQ(rate_of(std::vector<Share>{{1, 10}, {9, 90}, {10, 100}}), 0.1);
  EXPECT_DOUBLE_EQ(rate_of(std::vector<Share>{{3, 1}}), 3);
  EXPECT_DOUBLE_EQ(rate_of({}), 0);
}

TEST(Bootstrap, NeedsTwoRecordings) {
  EXPECT_FALSE(bootstrap_interval(std::vector<Share>{{1, 10}}));
  EXPECT_TRUE(bootstrap_interval(std::vector<Share>{{1, 10}, {2, 10}}));
  const PairedDifference one = paired_bootstrap(std::vector<Share>{{1, 10}}, std::vector<Share>{{2, 10}});
  EXPECT_DOUBLE_EQ(one.difference, 0.1);
  EXPECT_FALSE(one.interval);
  EXPECT_EQ(one.p, 1);
}

TEST(Bootstrap, IntervalIsThatOfTheMeansDistribution) {
  // 400 recordings of equal length, half of them without errors and half with 20 %: the rate's standard error is
  // 0.1 / sqrt(400).
  std::vector<Share> shares;
  for (std::size_t i = 0; i < 400; ++i) shares.push_back({i % 2 == 0 ? 0u : 2u, 10});
  const auto interval = bootstrap_interval(shares);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, 0.1 - 1.96 * 0.005, 0.001);
  EXPECT_NEAR(interval->high, 0.1 + 1.96 * 0.005, 0.001);
}

TEST(Bootstrap, IsTheSameEveryTime) {
  const std::vector<Share> shares = {{1, 10}, {5, 20}, {0, 7}, {3, 9}};
  const auto first = bootstrap_interval(shares);
  const auto second = bootstrap_interval(shares);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->low, second->low);
  EXPECT_EQ(first->high, second->high);
}

TEST(Bootstrap, PairedDifferencesDoNotSeeWhatBothShare) {
  // Recordings differ much, but each has one error less in the second result.
  std::vector<Share> first, second;
  for (std::size_t i = 0; i < 100; ++i) {
    first.push_back({1 + i % 10, 10});
    second.push_back({i % 10, 10});
  }
  const PairedDifference result = paired_bootstrap(first, second);
  EXPECT_NEAR(result.difference, -0.1, 1e-12);
  ASSERT_TRUE(result.interval);
  EXPECT_NEAR(result.interval->low, -0.1, 1e-12);
  EXPECT_NEAR(result.interval->high, -0.1, 1e-12);
  EXPECT_EQ(result.p, 0);
}

TEST(Bootstrap, NoDifferenceIsNotSignificant) {
  const std::vector<Share> shares = {{1, 10}, {5, 20}, {0, 7}};
  EXPECT_EQ(paired_bootstrap(shares, shares).p, 1);

  // Three of a hundred recordings better, two worse: by chance, most likely.
  std::vector<Share> first(100, Share{2, 10}), second = first;
  for (const std::size_t better : {3, 30, 70}) second[better].errors = 1;
  for (const std::size_t worse : {20, 50}) second[worse].errors = 3;
  const PairedDifference result = paired_bootstrap(first, second);
  EXPECT_GT(result.p, 0.3);
  ASSERT_TRUE(result.interval);
  EXPECT_LT(result.interval->low, 0);
  EXPECT_GT(result.interval->high, 0);
}

}  // namespace
}  // namespace stenod::quality
