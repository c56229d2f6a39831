#include "whisper/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "whisper/logits.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace stenod::whisper::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Blocks stay in the first-level cache between the search for the maximum and the sum of exponentials.
constexpr std::size_t kBlock = 2048;

// A block whose largest value is this far below the largest so far adds less than 1e-8 of the sum, which float32
// cannot hold.
constexpr float kNegligible = 30.0f;

// NaN when one of the values is: maxima of vectors would lose it, and another value with it.
float block_max(const float* values, std::size_t size) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto max0 = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto max1 = max0;
  auto is_nan = hn::IsNaN(max0);
  bool tail_is_nan = false;
  std::size_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    const auto a = hn::LoadU(d, values + i);
    const auto b = hn::LoadU(d, values + i + lanes);
    is_nan = hn::Or(is_nan, hn::Or(hn::IsNaN(a), hn::IsNaN(b)));
    max0 = hn::Max(max0, a);
    max1 = hn::Max(max1, b);
  }
  float max = hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
  for (; i < size; ++i) {
    tail_is_nan |= std::isnan(values[i]);
    max = std::max(max, values[i]);
  }
  return tail_is_nan || !hn::AllFalse(d, is_nan) ? std::numeric_limits<float>::quiet_NaN() : max;
}

float block_sum_exp(const float* values, std::size_t size, float max) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto offset = hn::Set(d, max);
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    sum0 = hn::Add(sum0, hn::Exp(d, hn::Sub(hn::LoadU(d, values + i), offset)));
    sum1 = hn::Add(sum1, hn::Exp(d, hn::Sub(hn::LoadU(d, values + i + lanes), offset)));
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < size; ++i) sum += std::exp(values[i] - max);
  return sum;
}

std::size_t Largest(const float* values, std::size_t size, std::span<RankedLogit> best) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t count = 0;
  float bar = -std::numeric_limits<float>::infinity();  // what an entry must exceed to get in
  const auto look_at = [&](std::size_t i) {
    if (!(values[i] > bar)) return;
    std::size_t place = count < best.size() ? count++ : count - 1;
    for (; place > 0 && values[i] > best[place - 1].value; --place) best[place] = best[place - 1];
    best[place] = {static_cast<int>(i), values[i]};
    if (count == best.size()) bar = best[count - 1].value;
  };
  if (best.empty()) return 0;
  std::size_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    const auto a = hn::Max(hn::LoadU(d, values + i), hn::LoadU(d, values + i + lanes));
    const auto b = hn::Max(hn::LoadU(d, values + i + 2 * lanes), hn::LoadU(d, values + i + 3 * lanes));
    if (hn::AllFalse(d, hn::Gt(hn::Max(a, b), hn::Set(d, bar)))) continue;
    for (std::size_t k = i; k < i + 4 * lanes; ++k) look_at(k);
  }
  for (; i < size; ++i) look_at(i);
  return count;
}

float scaled_exp(float value, float max, float scale) { return std::exp((value - max) * scale); }

double SumScaledExp(const float* values, std::size_t size, float max, float scale) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  double sum = 0;
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t length = std::min(kBlock, size - begin);
    auto block = hn::Zero(d);
    std::size_t i = 0;
    for (; i + lanes <= length; i += lanes) {
      const auto value = hn::LoadU(d, values + begin + i);
      block = hn::Add(block, hn::Exp(d, hn::Mul(hn::Sub(value, hn::Set(d, max)), hn::Set(d, scale))));
    }
    sum += hn::GetLane(hn::SumOfLanes(d, block));
    for (; i < length; ++i) sum += scaled_exp(values[begin + i], max, scale);
  }
  return sum;
}

LogitsSummary Summarise(const float* values, std::size_t size) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  float max = kNone;
  float sum = 0;  // of exp(value - max)
  std::size_t best_block = 0;
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t length = std::min(kBlock, size - begin);
    const float here = block_max(values + begin, length);
    if (std::isnan(here)) return {-1, here, here};
    if (here > max) {
      sum = max == kNone ? 0.0f : sum * std::exp(max - here);
      max = here;
      best_block = begin;
    }
    if (max == kNone || here < max - kNegligible) continue;
    sum += block_sum_exp(values + begin, length, max);
  }
  if (max == kNone) return {-1, kNone, kNone};
  const float* found = std::find(values + best_block, values + std::min(size, best_block + kBlock), max);
  return {static_cast<int>(found - values), max, max + std::log(sum)};
}

}  // namespace stenod::whisper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::whisper {

HWY_EXPORT(Summarise);
HWY_EXPORT(Largest);
HWY_EXPORT(SumScaledExp);

LogitsSummary summarise(std::span<const float> logits) {
  return HWY_DYNAMIC_DISPATCH(Summarise)(logits.data(), logits.size());
}

std::size_t largest(std::span<const float> logits, std::span<RankedLogit> best) {
  return HWY_DYNAMIC_DISPATCH(Largest)(logits.data(), logits.size(), best);
}

double sum_scaled_exp(std::span<const float> logits, float max, float scale) {
  return HWY_DYNAMIC_DISPATCH(SumScaledExp)(logits.data(), logits.size(), max, scale);
}

int draw(std::span<const float> logits, float max, float scale, double target) {
  constexpr std::size_t kBlock = 2048;  // passed over at once
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    const double sum = sum_scaled_exp(block, max, scale);
    if (target >= sum) {
      target -= sum;
      continue;
    }
    int drawn = -1;
    for (std::size_t i = 0; i < block.size() && target >= 0; ++i) {
      const float weight = std::exp((block[i] - max) * scale);
      if (weight > 0) drawn = static_cast<int>(begin + i);
      target -= weight;
    }
    if (drawn >= 0) return drawn;
  }
  return summarise(logits).index;  // rounding has left a little of the target
}

float log_add_exp(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<float>::quiet_NaN();
  const float high = std::max(a, b);
  const float low = std::min(a, b);
  if (std::isinf(low) && low < 0) return high;
  return high + std::log1p(std::exp(low - high));
}

}  // namespace stenod::whisper
#endif
