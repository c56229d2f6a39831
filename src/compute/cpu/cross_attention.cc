#include "compute/cpu/cross_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "compute/types.h"

// Nothing less than AVX2 is ever chosen; VNNI stands in Highway's set AVX3_DL, which must be asked for.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/cross_attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "compute/cpu/simd_math.h"
#include "hwy/highway.h"

#ifndef STENOD_COMPUTE_CPU_CROSS_ATTENTION_ONCE_
#define STENOD_COMPUTE_CPU_CROSS_ATTENTION_ONCE_
namespace stenod::compute::cpu {
namespace {

constexpr std::size_t kKeyGroup = 16;
constexpr std::size_t kValueGroup = 4;
constexpr std::size_t kBlock = 64;              ///< keys whose weights have a scale of their own
constexpr std::size_t kGroups = kHeadSize / 4;  ///< of four dimensions
constexpr int kMostRows = 5;                    ///< at a time, where there are registers for their sums

constexpr std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

}  // namespace
}  // namespace stenod::compute::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace stenod::compute::cpu::HWY_NAMESPACE {

using F = hn::ScalableTag<float>;
using I = hn::RebindToSigned<F>;
using Bytes = hn::Repartition<std::uint8_t, F>;
using SignedBytes = hn::RebindToSigned<Bytes>;
using VF = hn::Vec<F>;
using VI = hn::Vec<I>;

// Without VNNI pairs of products are summed in 16 bits, which 2 * 127 * 127 do not overflow: what has no sign then has
// 7 bits.
constexpr bool kVnni = HWY_TARGET == HWY_AVX3_DL;
constexpr float kMaxKey = kVnni ? 127.0f : 63.0f;
constexpr std::int32_t kKeyOffset = kVnni ? 128 : 64;
constexpr float kMaxWeight = kVnni ? 255.0f : 127.0f;
constexpr float kMaxSigned = 127.0f;
constexpr int kMaxRows = HWY_MAX_BYTES >= 64 ? kMostRows : 3;

/// sums[i] += the products of four neighbouring bytes.
HWY_INLINE VI dot4(VI sums, hn::Vec<Bytes> u, hn::Vec<SignedBytes> s) {
#if HWY_TARGET == HWY_AVX3_DL
  // The set includes VNNI, but Highway does not tell the compiler.
  asm("vpdpbusd %2, %1, %0" : "+v"(sums.raw) : "v"(u.raw), "vm"(s.raw));
  return sums;
#elif HWY_TARGET == HWY_AVX3
  const __m512i pairs = _mm512_maddubs_epi16(u.raw, s.raw);
  return VI{_mm512_add_epi32(sums.raw, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
#else
  const __m256i pairs = _mm256_maddubs_epi16(u.raw, s.raw);
  return VI{_mm256_add_epi32(sums.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
#endif
}

/// The scale of 64 elements and their form in [-top, top]; a scale that is not a number where one of them isn't.
HWY_INLINE float quantise_head(const float* x, float top, std::int8_t* q) {
  const F d;
  const std::size_t lanes = hn::Lanes(d);
  VF largest = hn::Zero(d), finite = hn::Zero(d);  // x * 0 is 0, or not a number
  for (std::size_t i = 0; i < kHeadSize; i += lanes) {
    const VF v = hn::LoadU(d, x + i);
    largest = hn::Max(largest, hn::Abs(v));
    finite = hn::MulAdd(v, hn::Zero(d), finite);
  }
  const float maximum = hn::GetLane(hn::MaxOfLanes(d, largest));
  const bool is_finite = hn::GetLane(hn::SumOfLanes(d, finite)) == 0.0f;
  const bool usable = is_finite && maximum > 1e-30f;
  const VF inverse = hn::Set(d, usable ? top / maximum : 0.0f);
  const hn::Rebind<std::int8_t, F> bytes;
  for (std::size_t i = 0; i < kHeadSize; i += lanes) {
    const VF v = usable ? hn::LoadU(d, x + i) : hn::Zero(d);
    hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(hn::Mul(v, inverse))), bytes, q + i);
  }
  if (!is_finite) return std::numeric_limits<float>::quiet_NaN();
  return usable ? maximum / top : 0.0f;
}

void StoreInt8Keys(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head) {
  for (int r = 0; r < num_rows; ++r) {
    alignas(64) std::int8_t q[kHeadSize];
    alignas(64) std::uint8_t with_offset[kHeadSize];
    const auto key = static_cast<std::size_t>(first + r);
    head.key_scales[key] = quantise_head(rows + r * stride, kMaxKey, q);
    for (int i = 0; i < kHeadSize; ++i) with_offset[i] = static_cast<std::uint8_t>(q[i] + kKeyOffset);
    std::uint8_t* const to = head.keys + key / kKeyGroup * kKeyGroup * kHeadSize + key % kKeyGroup * 4;
    for (std::size_t g = 0; g < kGroups; ++g) std::memcpy(to + g * kKeyGroup * 4, with_offset + 4 * g, 4);
  }
}

void StoreInt8Values(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head) {
  const SignedBytes d;
  const std::size_t lanes = hn::Lanes(d);
  for (int r = 0; r < num_rows; r += static_cast<int>(kValueGroup)) {
    alignas(64) std::int8_t q[kValueGroup][kHeadSize] = {};
    const int count = std::min(static_cast<int>(kValueGroup), num_rows - r);
    for (int i = 0; i < count; ++i)
      head.value_scales[first + r + i] = quantise_head(rows + (r + i) * stride, kMaxSigned, q[i]);
    std::int8_t* const to = head.values + (first + r) * kHeadSize;
    for (std::size_t i = 0; i < kHeadSize; i += lanes) {
      hn::StoreInterleaved4(hn::Load(d, q[0] + i), hn::Load(d, q[1] + i), hn::Load(d, q[2] + i), hn::Load(d, q[3] + i),
                            d, to + i * kValueGroup);
    }
  }
}

/// A row's query in 8 bits: four dimensions a word.
struct Query {
  std::int32_t words[kGroups];
  std::int32_t shift;  ///< what the keys' offset adds to every product
  float scale;
};

HWY_INLINE Query quantise_query(const float* x) {
  alignas(64) std::int8_t q[kHeadSize];
  Query query;
  query.scale = quantise_head(x, kMaxSigned, q) / 8;
  std::memcpy(query.words, q, sizeof(query.words));
  query.shift = 0;
  for (const std::int8_t element : q) query.shift += kKeyOffset * element;
  return query;
}

/// scores[row][k] = query_row . key_k / 8, `stride` from row to row, lowest() for what lies behind the last key, up to
/// a whole block; largest[row]: their maxima.
template <int kRows>
HWY_INLINE void score_keys(const Int8Attention& rows, float* scores, std::size_t stride, float* largest) {
  const F d;
  const I di;
  const Bytes bytes;
  const SignedBytes signed_bytes;
  const std::size_t lanes = hn::Lanes(d);
  const auto num_keys = static_cast<std::size_t>(rows.num_keys);
  const VF lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  Query queries[kRows];
  VF maxima[kRows];
  for (int r = 0; r < kRows; ++r) {
    queries[r] = quantise_query(rows.queries + r * rows.query_stride);
    maxima[r] = lowest;
  }
  for (std::size_t k = 0; k < num_keys; k += lanes) {
    const std::uint8_t* const keys = rows.head.keys + k / kKeyGroup * kKeyGroup * kHeadSize + k % kKeyGroup * 4;
    VI sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = hn::Zero(di);
    for (std::size_t g = 0; g < kGroups; ++g) {
      const auto four = hn::LoadU(bytes, keys + g * kKeyGroup * 4);
      for (int r = 0; r < kRows; ++r) {
        sums[r] = dot4(sums[r], four, hn::BitCast(signed_bytes, hn::Set(di, queries[r].words[g])));
      }
    }
    const VF scales = hn::LoadU(d, rows.head.key_scales + k);
    const auto is_key = hn::FirstN(d, num_keys - k);
    for (int r = 0; r < kRows; ++r) {
      const VF product = hn::ConvertTo(d, hn::Sub(sums[r], hn::Set(di, queries[r].shift)));
      const VF score = hn::IfThenElse(is_key, hn::Mul(product, hn::Mul(scales, hn::Set(d, queries[r].scale))), lowest);
      maxima[r] = hn::Max(maxima[r], score);
      hn::StoreU(score, d, scores + static_cast<std::size_t>(r) * stride + k);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    largest[r] = hn::GetLane(hn::MaxOfLanes(d, maxima[r]));
    float* const row = scores + static_cast<std::size_t>(r) * stride;
    for (std::size_t k = round_up(num_keys, lanes); k < round_up(num_keys, kBlock); k += lanes) {
      hn::StoreU(lowest, d, row + k);
    }
  }
}

/// From one row's scores to integer weights: e^(score - largest) * its value's scale = weights[k] * block_scales[k /
/// 64]. Overwrites the scores. Returns the sum of the exponentials; what is not a number where a value isn't.
HWY_INLINE float weigh_keys(float* scores, float largest, const float* value_scales, std::size_t num_keys,
                            std::uint8_t* weights, float* block_scales) {
  const F d;
  const hn::RebindToUnsigned<F> du;
  const std::size_t lanes = hn::Lanes(d);
  const hn::Rebind<std::uint8_t, F> bytes;
  constexpr std::size_t kVectors = kBlock / (HWY_MAX_BYTES / sizeof(float));
  const VF vector_largest = hn::Set(d, largest);
  VF sum = hn::Zero(d), finite = hn::Zero(d);  // x * 0 is 0, or not a number
  for (std::size_t block = 0; block < num_keys; block += kBlock) {
    VF maximum = hn::Zero(d);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t k = block + v * lanes;
      const VF e = exp_fast(d, hn::Sub(hn::LoadU(d, scores + k), vector_largest));
      VF scale = hn::LoadU(d, value_scales + k);
      // What lies behind the last value may be anything.
      if (block + kBlock > num_keys) scale = hn::IfThenElseZero(hn::FirstN(d, num_keys - std::min(k, num_keys)), scale);
      sum = hn::Add(sum, e);
      finite = hn::MulAdd(scale, hn::Zero(d), finite);
      const VF scaled = hn::Mul(e, scale);
      hn::StoreU(scaled, d, scores + k);
      maximum = hn::Max(maximum, scaled);
    }
    block_scales[block / kBlock] = hn::GetLane(hn::MaxOfLanes(d, maximum));
  }
  for (std::size_t block = 0; block < num_keys; block += kBlock) {
    float& scale = block_scales[block / kBlock];
    const VF inverse = hn::Set(d, scale > 1e-30f ? kMaxWeight / scale : 0.0f);
    scale *= 1 / kMaxWeight;
    for (std::size_t v = 0; v < kVectors; ++v) {
      const VF rounded = hn::MulAdd(hn::LoadU(d, scores + block + v * lanes), inverse, hn::Set(d, kRoundingOffset));
      const auto low = hn::And(hn::BitCast(du, rounded), hn::Set(du, 0xFFu));
      hn::StoreU(hn::U8FromU32(low), bytes, weights + block + v * lanes);
    }
  }
  if (!(hn::GetLane(hn::SumOfLanes(d, finite)) == 0.0f)) return std::numeric_limits<float>::quiet_NaN();
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <int kRows>
void attend_rows(const Int8Attention& rows) {
  const F d;
  const I di;
  const Bytes bytes;
  const SignedBytes signed_bytes;
  const std::size_t lanes = hn::Lanes(d);
  const auto num_keys = static_cast<std::size_t>(rows.num_keys);
  const std::size_t padded = round_up(num_keys, kBlock);
  float* const scores = rows.scratch;
  float* const block_scales = scores + kRows * padded;
  auto* const weights = reinterpret_cast<std::uint8_t*>(block_scales + kRows * padded / kBlock);
  float largest[kRows], totals[kRows];
  score_keys<kRows>(rows, scores, padded, largest);
  for (int r = 0; r < kRows; ++r) {
    const std::size_t at = static_cast<std::size_t>(r) * padded;
    totals[r] =
        weigh_keys(scores + at, largest[r], rows.head.value_scales, num_keys, weights + at, block_scales + at / kBlock);
  }
  // As many of a head's dimensions at a time as registers hold sums of.
  constexpr std::size_t kVectors = kHeadSize / (HWY_MAX_BYTES / sizeof(float));
  constexpr std::size_t kSums = HWY_MAX_BYTES >= 64 ? 12 : 4;
  constexpr std::size_t kFit = kSums / kRows >= 4 ? 4 : kSums / kRows >= 2 ? 2 : 1;
  constexpr std::size_t kAtOnce = std::min(kVectors, kFit);
  for (std::size_t first = 0; first < kHeadSize; first += kAtOnce * lanes) {
    VF sums[kRows][kAtOnce];
    for (int r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kAtOnce; ++v) sums[r][v] = hn::Zero(d);
    }
    for (std::size_t block = 0; block < num_keys; block += kBlock) {
      VI products[kRows][kAtOnce];
      for (int r = 0; r < kRows; ++r) {
        for (std::size_t v = 0; v < kAtOnce; ++v) products[r][v] = hn::Zero(di);
      }
      const std::size_t end = std::min(num_keys, block + kBlock);
      for (std::size_t k = block; k < end; k += kValueGroup) {
        const std::int8_t* const value = rows.head.values + k * kHeadSize + first * kValueGroup;
        hn::Vec<SignedBytes> values[kAtOnce];
        for (std::size_t v = 0; v < kAtOnce; ++v) values[v] = hn::LoadU(signed_bytes, value + v * lanes * kValueGroup);
        for (int r = 0; r < kRows; ++r) {
          std::int32_t word;
          std::memcpy(&word, weights + static_cast<std::size_t>(r) * padded + k, sizeof(word));
          const auto weight = hn::BitCast(bytes, hn::Set(di, word));
          for (std::size_t v = 0; v < kAtOnce; ++v) products[r][v] = dot4(products[r][v], weight, values[v]);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        const VF scale = hn::Set(d, block_scales[(static_cast<std::size_t>(r) * padded + block) / kBlock]);
        for (std::size_t v = 0; v < kAtOnce; ++v) {
          sums[r][v] = hn::MulAdd(hn::ConvertTo(d, products[r][v]), scale, sums[r][v]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const VF inverse = hn::Set(d, 1.0f / totals[r]);
      for (std::size_t v = 0; v < kAtOnce; ++v) {
        hn::StoreU(hn::Mul(sums[r][v], inverse), d, rows.output + r * rows.output_stride + first + v * lanes);
      }
    }
  }
}

void AttendInt8(Int8Attention rows) {
  while (rows.num_rows > 0) {
    const int count = std::min(rows.num_rows, kMaxRows);
    switch (count) {
      case 1:
        attend_rows<1>(rows);
        break;
      case 2:
        attend_rows<2>(rows);
        break;
      case 3:
        attend_rows<3>(rows);
        break;
      case 4:
        attend_rows<std::min(4, kMaxRows)>(rows);
        break;
      default:
        attend_rows<kMaxRows>(rows);
    }
    rows.num_rows -= count;
    rows.queries += count * rows.query_stride;
    rows.output += count * rows.output_stride;
  }
}

void Int8Weights(const Int8Attention& row, float* weights) {
  const F d;
  float largest = 0;
  score_keys<1>(row, row.scratch, 0, &largest);
  VF sum = hn::Zero(d);
  const auto num_keys = static_cast<std::size_t>(row.num_keys);
  for (std::size_t k = 0; k < num_keys; k += hn::Lanes(d)) {
    const VF e = exp_fast(d, hn::Sub(hn::LoadU(d, row.scratch + k), hn::Set(d, largest)));
    hn::StoreU(e, d, row.scratch + k);
    sum = hn::Add(sum, e);
  }
  const float inverse = 1.0f / hn::GetLane(hn::SumOfLanes(d, sum));
  for (std::size_t k = 0; k < num_keys; ++k) weights[k] = row.scratch[k] * inverse;
}

}  // namespace stenod::compute::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::compute::cpu {

HWY_EXPORT(StoreInt8Keys);
HWY_EXPORT(StoreInt8Values);
HWY_EXPORT(AttendInt8);
HWY_EXPORT(Int8Weights);

namespace {

std::size_t padded_capacity(std::int64_t capacity) { return round_up(static_cast<std::size_t>(capacity), kBlock); }

}  // namespace

std::size_t int8_head_bytes(std::int64_t capacity) {
  return padded_capacity(capacity) * 2 * (kHeadSize + sizeof(float));
}

Int8Head int8_head(void* cache, int head, std::int64_t capacity) {
  const std::size_t vectors = padded_capacity(capacity);
  auto* const bytes = static_cast<std::uint8_t*>(cache) + static_cast<std::size_t>(head) * int8_head_bytes(capacity);
  auto* const scales = reinterpret_cast<float*>(bytes + 2 * vectors * kHeadSize);
  return {bytes, reinterpret_cast<std::int8_t*>(bytes + vectors * kHeadSize), scales, scales + vectors};
}

void store_int8_keys(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head) {
  HWY_DYNAMIC_DISPATCH(StoreInt8Keys)(rows, stride, num_rows, first, head);
}

void store_int8_values(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head) {
  HWY_DYNAMIC_DISPATCH(StoreInt8Values)(rows, stride, num_rows, first, head);
}

std::size_t int8_attention_scratch_floats(std::int64_t num_keys) {
  const std::size_t padded = round_up(static_cast<std::size_t>(num_keys), kBlock);
  return kMostRows * (padded + padded / kBlock + padded / sizeof(float));  // scores, blocks' scales, weights of a byte
}

void attend_int8(const Int8Attention& rows) { HWY_DYNAMIC_DISPATCH(AttendInt8)(rows); }

void int8_weights(const Int8Attention& row, float* weights) { HWY_DYNAMIC_DISPATCH(Int8Weights)(row, weights); }

}  // namespace stenod::compute::cpu
#endif  // HWY_ONCE
