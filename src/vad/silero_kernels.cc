#include "vad/silero_kernels.h"

#include <cmath>

// The steps between AVX2 and AVX-512 (and finer ones) bring nothing here, so they aren't compiled.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vad/silero_kernels.cc"
#include <hwy/foreach_target.h>  // NOLINT: compiles this file once per target
#include <hwy/highway.h>
// After highway.h, which it needs.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace stenod::vad::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most as wide as a panel: 16 lanes with AVX-512, 8 with AVX2.
using D = hn::CappedTag<float, PackedMatrix::kPanel>;
using V = hn::Vec<D>;
constexpr D kTag;
constexpr std::size_t kLanes = hn::MaxLanes(D());
constexpr std::size_t kVectorsPerPanel = PackedMatrix::kPanel / kLanes;

/// Rows of x times panels of w that are computed at once, as many as the accumulators fit into the registers.
constexpr std::size_t kTileRows = 6;
constexpr std::size_t kTilePanels = kLanes == 16 ? 4 : 1;

/// One tile of the product; `panel` is where it starts.
template <std::size_t kRows, std::size_t kPanels>
HWY_INLINE void multiply_tile(const Product& p, std::size_t row, std::size_t panel) {
  constexpr std::size_t kVectors = kPanels * kVectorsPerPanel;
  const std::size_t panel_size = p.w.num_rows() * PackedMatrix::kPanel;
  const float* HWY_RESTRICT w = p.w.panels() + panel * panel_size + p.first_k * PackedMatrix::kPanel;
  const float* HWY_RESTRICT x = p.x + row * p.x_stride;
  const float* init = p.init + row * p.init_stride + panel * PackedMatrix::kPanel;
  float* y = p.y + row * p.y_stride + panel * PackedMatrix::kPanel;

  V sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::LoadU(kTag, init + r * p.init_stride + v * kLanes);
  }
  for (std::size_t k = 0; k < p.num_k; ++k) {
    V weights[kVectors];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const float* from = w + (v / kVectorsPerPanel) * panel_size + (v % kVectorsPerPanel) * kLanes;
      weights[v] = hn::Load(kTag, from + k * PackedMatrix::kPanel);
    }
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V value = hn::Set(kTag, x[r * p.x_stride + k]);
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, weights[v], sums[r][v]);
    }
  }
  const V floor = hn::Set(kTag, p.relu ? 0.0F : -HUGE_VALF);
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Max(sums[r][v], floor), kTag, y + r * p.y_stride + v * kLanes);
    }
  }
}

template <std::size_t kPanels>
void multiply_panels(const Product& p, std::size_t panel) {
  std::size_t row = 0;
  for (; row + kTileRows <= p.num_rows; row += kTileRows) multiply_tile<kTileRows, kPanels>(p, row, panel);
  static_assert(kTileRows == 6);
  switch (p.num_rows - row) {
    case 5:
      return multiply_tile<5, kPanels>(p, row, panel);
    case 4:
      return multiply_tile<4, kPanels>(p, row, panel);
    case 3:
      return multiply_tile<3, kPanels>(p, row, panel);
    case 2:
      return multiply_tile<2, kPanels>(p, row, panel);
    case 1:
      return multiply_tile<1, kPanels>(p, row, panel);
    default:
      return;
  }
}

void multiply_all(const Product& p) {
  std::size_t panel = 0;
  for (; panel + kTilePanels <= p.w.num_panels(); panel += kTilePanels) multiply_panels<kTilePanels>(p, panel);
  for (; panel < p.w.num_panels(); ++panel) multiply_panels<1>(p, panel);
}

void copy_samples_all(const float* HWY_RESTRICT from, std::size_t count, float* HWY_RESTRICT to) {
  const V limit = hn::Set(kTag, kMaxSample);
  for (std::size_t i = 0; i < count; i += kLanes) {
    const V value = hn::LoadU(kTag, from + i);
    const V limited = hn::Min(hn::Max(value, hn::Neg(limit)), limit);
    hn::StoreU(hn::IfThenElseZero(hn::Eq(value, value), limited), kTag, to + i);
  }
}

void magnitudes_all(const float* HWY_RESTRICT spectrum, std::size_t num_bins, float* HWY_RESTRICT out) {
  const auto magnitude = [&](auto d, std::size_t b) {
    const auto re = hn::LoadU(d, spectrum + b);
    const auto im = hn::LoadU(d, spectrum + num_bins + b);
    hn::StoreU(hn::Sqrt(hn::MulAdd(re, re, hn::Mul(im, im))), d, out + b);
  };
  std::size_t b = 0;
  for (; b + kLanes <= num_bins; b += kLanes) magnitude(kTag, b);
  for (; b < num_bins; ++b) magnitude(hn::CappedTag<float, 1>(), b);
}

HWY_INLINE V sigmoid(V x) {
  // Beyond ±80 the result is 0 or 1 in float anyway; Exp isn't defined everywhere.
  const V limit = hn::Set(kTag, 80.0F);
  const V limited = hn::Min(hn::Max(x, hn::Neg(limit)), limit);
  const V one = hn::Set(kTag, 1.0F);
  return hn::Div(one, hn::Add(one, hn::Exp(kTag, hn::Neg(limited))));
}

HWY_INLINE V tanh(V x) { return hn::Sub(hn::Mul(hn::Set(kTag, 2.0F), sigmoid(hn::Add(x, x))), hn::Set(kTag, 1.0F)); }

float lstm_step_all(const float* HWY_RESTRICT gates, std::size_t size, const float* HWY_RESTRICT output_weights,
                    float output_bias, float* HWY_RESTRICT h, float* HWY_RESTRICT c) {
  V sum = hn::Zero(kTag);
  for (std::size_t i = 0; i < size; i += kLanes) {
    const V input = sigmoid(hn::LoadU(kTag, gates + i));
    const V forget = sigmoid(hn::LoadU(kTag, gates + size + i));
    const V cell = tanh(hn::LoadU(kTag, gates + 2 * size + i));
    const V output = sigmoid(hn::LoadU(kTag, gates + 3 * size + i));
    const V new_c = hn::MulAdd(forget, hn::LoadU(kTag, c + i), hn::Mul(input, cell));
    const V new_h = hn::Mul(output, tanh(new_c));
    hn::StoreU(new_c, kTag, c + i);
    hn::StoreU(new_h, kTag, h + i);
    sum = hn::MulAdd(hn::Max(new_h, hn::Zero(kTag)), hn::LoadU(kTag, output_weights + i), sum);
  }
  return hn::GetLane(sigmoid(hn::Add(hn::SumOfLanes(kTag, sum), hn::Set(kTag, output_bias))));
}

}  // namespace stenod::vad::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::vad {

HWY_EXPORT(multiply_all);
HWY_EXPORT(copy_samples_all);
HWY_EXPORT(magnitudes_all);
HWY_EXPORT(lstm_step_all);

PackedMatrix::PackedMatrix(std::span<const float> transposed, std::size_t num_rows, std::size_t num_columns)
    : num_rows_(num_rows), num_panels_((num_columns + kPanel - 1) / kPanel), lines_(num_panels_ * num_rows) {
  for (std::size_t n = 0; n < num_columns; ++n) {
    for (std::size_t k = 0; k < num_rows; ++k) {
      lines_[n / kPanel * num_rows + k].values[n % kPanel] = transposed[n * num_rows + k];
    }
  }
}

void multiply(const Product& product) { HWY_DYNAMIC_DISPATCH(multiply_all)(product); }

void copy_samples(const float* from, std::size_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(copy_samples_all)(from, count, to);
}

void magnitudes(const float* spectrum, std::size_t num_bins, float* out) {
  HWY_DYNAMIC_DISPATCH(magnitudes_all)(spectrum, num_bins, out);
}

float lstm_step(const float* gates, std::size_t size, const float* output_weights, float output_bias, float* h,
                float* c) {
  return HWY_DYNAMIC_DISPATCH(lstm_step_all)(gates, size, output_weights, output_bias, h, c);
}

}  // namespace stenod::vad
#endif  // HWY_ONCE
