#include "compute/testing/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>

#include "compute/cpu/product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/testing/peak.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace stenod::compute::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Runs `num_steps` times 12 independent multiply-adds of whole vectors (two units, five cycles each: 10 are
/// in flight); returns the number of operations.
double MultiplyAdd(int num_steps, float* result) {
  const hn::ScalableTag<float> d;
  constexpr int kSums = 12;
  hn::Vec<decltype(d)> sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
  const auto factor = hn::Set(d, *result);
  for (int step = 0; step < num_steps; ++step) {
    for (int i = 0; i < kSums; ++i) sums[i] = hn::MulAdd(sums[i], factor, factor);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  *result = hn::GetLane(sums[0]);
  return 2.0 * kSums * num_steps * static_cast<double>(hn::Lanes(d));
}

}  // namespace stenod::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::compute {
namespace {

HWY_EXPORT(MultiplyAdd);

/// `run` returns the operations that it did; returns the best rate.
template <typename Run>
double best_rate(const Run& run) {
  double best = 0;
  for (int i = 0; i < 300; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double operations = run();
    best = std::max(
        best, operations / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double best_product(ComputeType type) {
  constexpr std::int64_t kInputs = 1024, kOutputs = 256;
  const auto matrix =
      cpu::PackedMatrix::create({.outputs = kOutputs,
                                 .inputs = kInputs,
                                 .read_row =
                                     [](std::int64_t row, std::span<float> values) {
                                       std::fill(values.begin(), values.end(), static_cast<float>(row));
                                     }},
                                type, 1);
  if (!matrix.ok()) return 0;
  const auto free_bytes = [](void* p) { std::free(p); };
  const auto allocate = [&](std::size_t bytes) {
    std::unique_ptr<void, decltype(free_bytes)> p(std::aligned_alloc(64, bytes), free_bytes);
    std::fill_n(static_cast<char*>(p.get()), bytes, 0);
    return p;
  };
  const auto block = allocate(cpu::kBlockRows * kInputs * 4),
             product = allocate(cpu::kBlockRows * kOutputs * 4);
  return best_rate([&] {
    for (int i = 0; i < 4; ++i) (*matrix)->multiply(block.get(), cpu::kBlockRows, 0, product.get(), 0);
    return 4 * 2.0 * cpu::kBlockRows * kInputs * kOutputs;
  });
}

}  // namespace

double peak_float32_flops() {
  static const double peak = best_rate([] {
    float seed = 1e-3f;
    return HWY_DYNAMIC_DISPATCH(MultiplyAdd)(20000, &seed);
  });
  return peak;
}

double peak_int8_ops() {
  static const double peak = best_product(ComputeType::kInt8);
  return peak;
}

double peak_bfloat16_ops() {
  static const double peak = best_product(ComputeType::kBFloat16);
  return peak;
}

}  // namespace stenod::compute
#endif  // HWY_ONCE
