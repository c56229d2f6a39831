#include "audio/log_mel_kernel.h"

#include <algorithm>
#include <cstddef>

// SSE2 for any machine, AVX2 and AVX-512; what lies between is not worth its compile time.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "audio/log_mel_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

// One frame a SIMD lane: every step is the same scalar algorithm for 4, 8 or 16 frames at once, so a frame's value
// can't depend on its lane or on its neighbours.
//
// The 400 real samples are taken as 200 complex ones z[n] = x[2n] + i x[2n + 1], transformed by a Stockham FFT (self-
// sorting, radices 5 5 4 2; Van Loan, "Computational Frameworks for the FFT", 1992) and split into the real spectrum.

HWY_BEFORE_NAMESPACE();
namespace stenod::audio {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kMaxLanes = 16;
constexpr int kComplex = kFftSamples / 2;
constexpr int kBins = kComplex + 1;
constexpr int kMaxMels = 128;

using D = hn::CappedTag<float, kMaxLanes>;
using V = hn::Vec<D>;

struct Complex {
  V re, im;
};

HWY_INLINE Complex operator+(Complex a, Complex b) { return {hn::Add(a.re, b.re), hn::Add(a.im, b.im)}; }
HWY_INLINE Complex operator-(Complex a, Complex b) { return {hn::Sub(a.re, b.re), hn::Sub(a.im, b.im)}; }
/// a - i b and a + i b.
HWY_INLINE Complex minus_i(Complex a, Complex b) { return {hn::Add(a.re, b.im), hn::Sub(a.im, b.re)}; }
HWY_INLINE Complex plus_i(Complex a, Complex b) { return {hn::Sub(a.re, b.im), hn::Add(a.im, b.re)}; }
HWY_INLINE Complex operator*(Complex a, Complex b) {
  return {hn::NegMulAdd(a.im, b.im, hn::Mul(a.re, b.re)), hn::MulAdd(a.re, b.im, hn::Mul(a.im, b.re))};
}
HWY_INLINE Complex scale_add(Complex a, V scale, Complex b) {
  return {hn::MulAdd(a.re, scale, b.re), hn::MulAdd(a.im, scale, b.im)};
}
HWY_INLINE Complex scaled(Complex a, V scale) { return {hn::Mul(a.re, scale), hn::Mul(a.im, scale)}; }

/// kComplex numbers for every lane; element i's lanes are at i * kMaxLanes.
struct Spectrum {
  HWY_ALIGN float re[kComplex * kMaxLanes];
  HWY_ALIGN float im[kComplex * kMaxLanes];

  HWY_INLINE Complex get(int i) const { return {hn::Load(D(), re + i * kMaxLanes), hn::Load(D(), im + i * kMaxLanes)}; }
  HWY_INLINE void set(int i, Complex value) {
    hn::Store(value.re, D(), re + i * kMaxLanes);
    hn::Store(value.im, D(), im + i * kMaxLanes);
  }
};

template <int kRadix>
HWY_INLINE void butterfly(Complex* a);

template <>
HWY_INLINE void butterfly<2>(Complex* a) {
  const Complex sum = a[0] + a[1];
  a[1] = a[0] - a[1];
  a[0] = sum;
}

template <>
HWY_INLINE void butterfly<4>(Complex* a) {
  const Complex even_sum = a[0] + a[2];
  const Complex even_difference = a[0] - a[2];
  const Complex odd_sum = a[1] + a[3];
  const Complex odd_difference = a[1] - a[3];
  a[0] = even_sum + odd_sum;
  a[1] = minus_i(even_difference, odd_difference);
  a[2] = even_sum - odd_sum;
  a[3] = plus_i(even_difference, odd_difference);
}

template <>
HWY_INLINE void butterfly<5>(Complex* a) {
  const D d;
  const V cos1 = hn::Set(d, 0.30901699437494742f);  // cos(2 pi / 5)
  const V cos2 = hn::Set(d, -0.80901699437494742f);
  const V sin1 = hn::Set(d, 0.95105651629515357f);
  const V sin2 = hn::Set(d, 0.58778525229247313f);
  const Complex sum14 = a[1] + a[4];
  const Complex sum23 = a[2] + a[3];
  const Complex difference14 = a[1] - a[4];
  const Complex difference23 = a[2] - a[3];
  const Complex real1 = scale_add(sum23, cos2, scale_add(sum14, cos1, a[0]));
  const Complex real2 = scale_add(sum23, cos1, scale_add(sum14, cos2, a[0]));
  const Complex imag1 = scale_add(difference23, sin2, scaled(difference14, sin1));
  const Complex imag2 = scale_add(difference23, hn::Neg(sin1), scaled(difference14, sin2));
  a[0] = a[0] + sum14 + sum23;
  a[1] = minus_i(real1, imag1);
  a[4] = plus_i(real1, imag1);
  a[2] = minus_i(real2, imag2);
  a[3] = plus_i(real2, imag2);
}

/// One pass over transforms of length `length`, `stride` of them interleaved.
template <int kRadix>
HWY_NOINLINE void fft_pass(const LogMelTables& tables, int length, int stride, const Spectrum& in, Spectrum& out) {
  const D d;
  const int part = length / kRadix;
  for (int q = 0; q < part; ++q) {
    Complex twiddle[kRadix];
    for (int j = 1; j < kRadix; ++j) {
      const int angle = q * j * (kFftSamples / length);
      twiddle[j] = {hn::Set(d, tables.cosine[angle]), hn::Set(d, tables.sine[angle])};
    }
    for (int r = 0; r < stride; ++r) {
      Complex a[kRadix];
      for (int j = 0; j < kRadix; ++j) a[j] = in.get(r + stride * (q + part * j));
      butterfly<kRadix>(a);
      out.set(r + stride * kRadix * q, a[0]);
      for (int j = 1; j < kRadix; ++j) out.set(r + stride * (kRadix * q + j), a[j] * twiddle[j]);
    }
  }
}

/// At most Lanes(D()) frames.
void ComputeGroup(const LogMelTables& tables, const float* samples, int num_frames, float* out) {
  const D d;
  const int num_lanes = static_cast<int>(hn::Lanes(d));
  HWY_ALIGN float tile[kFftSamples * kMaxLanes];
  if (num_frames < num_lanes) std::fill_n(tile, kFftSamples * kMaxLanes, 0.0f);
  for (int lane = 0; lane < num_frames; ++lane) {
    for (int i = 0; i < kFftSamples; ++i) tile[i * kMaxLanes + lane] = samples[lane * kHopSamples + i];
  }

  Spectrum a;
  Spectrum b;
  for (int i = 0; i < kComplex; ++i) {
    const V even = hn::Load(d, tile + 2 * i * kMaxLanes);
    const V odd = hn::Load(d, tile + (2 * i + 1) * kMaxLanes);
    a.set(i, {hn::Mul(even, hn::Set(d, tables.window[2 * i])), hn::Mul(odd, hn::Set(d, tables.window[2 * i + 1]))});
  }
  fft_pass<5>(tables, 200, 1, a, b);
  fft_pass<5>(tables, 40, 5, b, a);
  fft_pass<4>(tables, 8, 25, a, b);
  fft_pass<2>(tables, 2, 100, b, a);

  // With Z the transform of z: X[k] = E + w^k O and X[200 - k] = conj(E - w^k O), where E = Z[k] + conj Z[200 - k],
  // O = -i (Z[k] - conj Z[200 - k]) (the halves are in the window).
  float* power = tile;
  for (int k = 0; k <= kComplex / 2; ++k) {
    const Complex z = a.get(k);
    const Complex mirror = a.get((kComplex - k) % kComplex);
    const Complex even = {hn::Add(z.re, mirror.re), hn::Sub(z.im, mirror.im)};
    const Complex odd = {hn::Add(z.im, mirror.im), hn::Sub(mirror.re, z.re)};
    const Complex turned = odd * Complex{hn::Set(d, tables.cosine[k]), hn::Set(d, tables.sine[k])};
    const Complex low = even + turned;
    const Complex high = even - turned;
    hn::Store(hn::MulAdd(low.re, low.re, hn::Mul(low.im, low.im)), d, power + k * kMaxLanes);
    hn::Store(hn::MulAdd(high.re, high.re, hn::Mul(high.im, high.im)), d, power + (kComplex - k) * kMaxLanes);
  }
  static_assert(kBins <= kFftSamples);

  const int num_mels = static_cast<int>(tables.filters.size());
  HWY_ALIGN float mel[kMaxMels * kMaxLanes];
  for (int m = 0; m < num_mels; ++m) {
    const LogMelTables::Filter& filter = tables.filters[m];
    V energy = hn::Zero(d);
    const float* bin = power + filter.first_bin * kMaxLanes;
    for (const float weight : filter.weights) {
      energy = hn::MulAdd(hn::Set(d, weight), hn::Load(d, bin), energy);
      bin += kMaxLanes;
    }
    // Log10 is good to some units in the last place; the floor must be exact, since it stands for silence.
    const V value = hn::Log10(d, hn::Max(energy, hn::Set(d, 1e-10f)));
    hn::Store(hn::Max(value, hn::Set(d, -10.0f)), d, mel + m * kMaxLanes);
  }
  for (int lane = 0; lane < num_frames; ++lane) {
    for (int m = 0; m < num_mels; ++m) out[lane * num_mels + m] = mel[m * kMaxLanes + lane];
  }
}

void ComputeLogMel(const LogMelTables& tables, const float* samples, int num_frames, float* out) {
  const int num_lanes = static_cast<int>(hn::Lanes(D()));
  for (int first = 0; first < num_frames; first += num_lanes) {
    ComputeGroup(tables, samples + first * kHopSamples, std::min(num_lanes, num_frames - first),
                 out + static_cast<std::size_t>(first) * tables.filters.size());
  }
}

float MaxValue(const float* values, std::size_t count, float initial) {
  const D d;
  V highest = hn::Set(d, initial);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) highest = hn::Max(highest, hn::LoadU(d, values + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, highest));
  for (; i < count; ++i) result = std::max(result, values[i]);
  return result;
}

void ScaleLogMel(const float* values, std::size_t count, float floor, float* out) {
  const D d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    const V value = hn::Max(hn::LoadU(d, values + i), hn::Set(d, floor));
    hn::StoreU(hn::Mul(hn::Add(value, hn::Set(d, 4.0f)), hn::Set(d, 0.25f)), d, out + i);
  }
  for (; i < count; ++i) out[i] = (std::max(values[i], floor) + 4.0f) * 0.25f;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace stenod::audio
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::audio {

HWY_EXPORT(ComputeLogMel);
HWY_EXPORT(MaxValue);
HWY_EXPORT(ScaleLogMel);

void compute_log_mel(const LogMelTables& tables, const float* samples, int num_frames, float* out) {
  HWY_DYNAMIC_DISPATCH(ComputeLogMel)(tables, samples, num_frames, out);
}

float max_value(std::span<const float> values, float initial) {
  return HWY_DYNAMIC_DISPATCH(MaxValue)(values.data(), values.size(), initial);
}

void scale_log_mel(std::span<const float> values, float floor, float* out) {
  HWY_DYNAMIC_DISPATCH(ScaleLogMel)(values.data(), values.size(), floor, out);
}

}  // namespace stenod::audio
#endif
