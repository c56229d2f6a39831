#include "whisper/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace stenod::whisper {
namespace {

TEST(Logits, LargestAreInOrderAndTheFirstOfEquals) {
  std::mt19937 random(2);
  for (const std::size_t size : {1, 5, 63, 64, 65, 1501, 51865}) {
    std::vector<float> values(size);
    for (float& v : values) v = static_cast<float>(random() % 5000) / 100;  // many equals
    values[size / 2] = -std::numeric_limits<float>::infinity();
    std::vector<int> order;
    for (std::size_t i = 0; i < size; ++i) {
      if (i != size / 2) order.push_back(static_cast<int>(i));
    }
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
    });
    for (const std::size_t k : {0, 1, 2, 6, 16}) {
      std::vector<RankedLogit> best(k);
      ASSERT_EQ(largest(values, best), std::min(k, size - 1));
      for (std::size_t i = 0; i < std::min(k, size - 1); ++i) {
        EXPECT_EQ(best[i].index, order[i]) << size << ", " << i << " of " << k;
        EXPECT_EQ(best[i].value, values[static_cast<std::size_t>(order[i])]);
      }
    }
  }
}

TEST(Logits, DrawsFollowTheSoftMax) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(5000);
  for (float& v : values) v = normal(random);
  values[4999] = 14;
  values[2500] = 13;
  values[17] = 12;
  for (const float scale : {1.0f, 2.0f, 0.7f}) {
    const double sum = sum_scaled_exp(values, 14, scale);
    double expected_sum = 0;
    for (const float v : values) expected_sum += std::exp((static_cast<double>(v) - 14) * scale);
    EXPECT_NEAR(sum, expected_sum, 1e-5 * expected_sum);
    // At targets in the middle of what an entry has, it is drawn.
    double before = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double weight = std::exp((static_cast<double>(values[i]) - 14) * scale);
      if (weight > 1e-3) {
        EXPECT_EQ(draw(values, 14, scale, before + weight / 2), static_cast<int>(i)) << scale;
      }
      before += weight;
    }
    EXPECT_EQ(draw(values, 14, scale, sum * (1 - 1e-12)), 4999);
    EXPECT_GE(draw(values, 14, scale, sum * 1.1), 0) << "rounding never leaves one without a token";
  }
  std::vector<float> one(3000, -std::numeric_limits<float>::infinity());
  one[2100] = -5;
  for (const double target : {0.0, 0.5, 0.999}) EXPECT_EQ(draw(one, -5, 1, target), 2100);
  one[2100] = one[0];
  EXPECT_EQ(draw(one, 0, 1, 0), -1);
}

constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Plain {
  int index;
  double log_sum_exp;
};

Plain plain_summary(const std::vector<float>& values) {
  const auto best = std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float v : values) sum += std::exp(static_cast<double>(v) - *best);
  return {static_cast<int>(best - values.begin()), *best + std::log(sum)};
}

TEST(Logits, SummaryAgreesWithDoubles) {
  std::mt19937 random(1);
  for (const std::size_t size : {1, 2, 15, 16, 17, 1501, 2047, 2048, 2049, 50257, 51865}) {
    for (const float spread : {0.1f, 3.0f, 40.0f}) {
      std::vector<float> values(size);
      std::normal_distribution<float> normal(-3, spread);
      for (float& v : values) v = normal(random);
      for (std::size_t i = 0; i < size; i += 7) values[i] = i % 2 ? kNone : values[i];
      const auto got = summarise(values);
      const auto want = plain_summary(values);
      EXPECT_EQ(got.index, want.index);
      EXPECT_EQ(got.max, values[static_cast<std::size_t>(want.index)]);
      EXPECT_NEAR(got.log_sum_exp, want.log_sum_exp, 2e-5 * std::max(1.0, std::abs(want.log_sum_exp)));
    }
  }
}

TEST(Logits, TheFirstOfEqualMaximaWins) {
  std::vector<float> values(5000, 1.0f);
  EXPECT_EQ(summarise(values).index, 0);
  values[0] = 0;
  EXPECT_EQ(summarise(values).index, 1);
}

TEST(Logits, NothingAllowed) {
  EXPECT_EQ(summarise({}).index, -1);
  const std::vector<float> none(3000, kNone);
  EXPECT_EQ(summarise(none).index, -1);
  EXPECT_EQ(summarise(none).log_sum_exp, kNone);
}

TEST(Logits, NotANumberShows) {
  for (const std::size_t at : {0, 31, 2500, 4999}) {
    std::vector<float> values(5000, -50.0f);
    values[4000] = 20;
    values[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(std::isfinite(summarise(values).log_sum_exp)) << at;
  }
  std::vector<float> values(100, 1.0f);
  values[3] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(summarise(values).log_sum_exp));
}

TEST(Logits, LogAddExp) {
  EXPECT_NEAR(log_add_exp(0, 0), std::log(2.0), 1e-6);
  EXPECT_EQ(log_add_exp(kNone, 3), 3);
  EXPECT_EQ(log_add_exp(3, kNone), 3);
  EXPECT_EQ(log_add_exp(kNone, kNone), kNone);
  EXPECT_NEAR(log_add_exp(-100, 5), 5, 1e-6);
  EXPECT_TRUE(std::isnan(log_add_exp(std::numeric_limits<float>::quiet_NaN(), 0)));
  EXPECT_TRUE(std::isnan(log_add_exp(kNone, std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace stenod::whisper
