// Vector mathematics shared by the kernels; included once per instruction set by Highway's foreach_target.h, hence no
// usual include guard.
#if defined(STENOD_COMPUTE_CPU_SIMD_MATH_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STENOD_COMPUTE_CPU_SIMD_MATH_H_
#undef STENOD_COMPUTE_CPU_SIMD_MATH_H_
#else
#define STENOD_COMPUTE_CPU_SIMD_MATH_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace stenod::compute::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Added to a number of less than 2^22, it leaves no place for a fraction: the sum's low bits are the rounded number.
constexpr float kRoundingOffset = 12582912.0f;  // 1.5 * 2^23

/// e^x for x <= 88, relative error below 3e-7; below -87 the result is 0 or tiny. 2^n times a polynomial in the rest.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_fast(D d, V x) {
  const hn::RebindToSigned<D> di;
  x = hn::Max(x, hn::Set(d, -87.0f));
  const V large = hn::Set(d, kRoundingOffset);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), large);
  const V n = hn::Sub(shifted, large);
  // ln 2 in two parts, so that n * (first part) is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145752f), x);
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6f), r);
  // Taylor's series to the sixth power: |r| <= ln(2) / 2, the rest is below 1.3e-7.
  V p = hn::Set(d, 1.0f / 720);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
}

/// x/2 (1 + erf(x / sqrt 2)); erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (|error|
/// < 1.5e-7).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu(D d, V x) {
  const V z = hn::Abs(hn::Mul(x, hn::Set(d, 0.707106781f)));
  const V t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(z, hn::Set(d, 0.3275911f), hn::Set(d, 1.0f)));
  V p = hn::Set(d, 1.061405429f);
  p = hn::MulAdd(p, t, hn::Set(d, -1.453152027f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.421413741f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.284496736f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.254829592f));
  // erfc(z) of the magnitude; the negative side of GELU is x/2 erfc, the positive one x minus that.
  const V half_erfc = hn::Mul(hn::Mul(hn::Mul(p, t), exp_fast(d, hn::Neg(hn::Mul(z, z)))), hn::Set(d, 0.5f));
  const V tail = hn::Mul(hn::Abs(x), half_erfc);
  return hn::Sub(hn::ZeroIfNegative(x), tail);
}

/// The same with an error below 6e-5 + 3e-6 |x|, without division or exponential: for what is then rounded to 8 bits.
/// x (1/2 + x P(x^2)) on [-4.5, 4.5], where P is the polynomial of degree 8 with the least largest error among those
/// that reach 0 and x at the ends, beyond which it stays there.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_coarse(D d, V x) {
  const V inner = hn::Min(hn::Max(x, hn::Set(d, -4.5f)), hn::Set(d, 4.5f));
  const V t = hn::Mul(inner, inner);
  V p = hn::Set(d, 3.00006721e-11f);
  p = hn::MulAdd(p, t, hn::Set(d, -3.28396288e-09f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.58027461e-07f));
  p = hn::MulAdd(p, t, hn::Set(d, -4.43171621e-06f));
  p = hn::MulAdd(p, t, hn::Set(d, 8.12100334e-05f));
  p = hn::MulAdd(p, t, hn::Set(d, -1.03625515e-03f));
  p = hn::MulAdd(p, t, hn::Set(d, 9.58065875e-03f));
  p = hn::MulAdd(p, t, hn::Set(d, -6.59772754e-02f));
  p = hn::MulAdd(p, t, hn::Set(d, 3.98708582e-01f));
  return hn::Mul(x, hn::MulAdd(inner, p, hn::Set(d, 0.5f)));
}

}  // namespace stenod::compute::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // STENOD_COMPUTE_CPU_SIMD_MATH_H_
