#include "whisper/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace stenod::whisper {
namespace {

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
