#include "compute/cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/cpu/kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "compute/cpu/simd_math.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace stenod::compute::cpu::HWY_NAMESPACE {

using F = hn::ScalableTag<float>;
using I = hn::RebindToSigned<F>;
using H = hn::Rebind<hwy::float16_t, F>;
using VF = hn::Vec<F>;

/// Loads N floats from either storage type.
HWY_INLINE VF load(const float* p) { return hn::LoadU(F(), p); }
HWY_INLINE VF load(const hwy::float16_t* p) { return hn::PromoteTo(F(), hn::LoadU(H(), p)); }
HWY_INLINE void store(VF v, float* p) { hn::StoreU(v, F(), p); }
HWY_INLINE void store(VF v, hwy::float16_t* p) { hn::StoreU(hn::DemoteTo(H(), v), H(), p); }

/// Calls step(i) for whole vectors of a row and tail(i) for single elements after them.
template <class Step, class Tail>
HWY_INLINE void for_row(std::size_t count, const Step& step, const Tail& tail) {
  const std::size_t lanes = hn::Lanes(F());
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) step(i);
  for (; i < count; ++i) tail(i);
}

QuantisedRow QuantiseRow(const float* x, std::size_t count, int max_q, std::uint8_t* q) {
  const F d;
  VF low = hn::Zero(d), high = hn::Zero(d), finite = hn::Zero(d);  // x * 0 is 0, or not a number
  float low_tail = 0, high_tail = 0, finite_tail = 0;
  for_row(
      count,
      [&](std::size_t i) {
        const VF v = hn::LoadU(d, x + i);
        low = hn::Min(low, v);
        high = hn::Max(high, v);
        finite = hn::MulAdd(v, hn::Zero(d), finite);
      },
      [&](std::size_t i) {
        low_tail = std::min(low_tail, x[i]);
        high_tail = std::max(high_tail, x[i]);
        finite_tail += x[i] * 0.0f;
      });
  const float minimum = std::min(low_tail, hn::GetLane(hn::MinOfLanes(d, low)));
  const float maximum = std::max(high_tail, hn::GetLane(hn::MaxOfLanes(d, high)));
  const float range = maximum - minimum;
  const auto top = static_cast<float>(max_q);
  const bool finite_range = finite_tail + hn::GetLane(hn::SumOfLanes(d, finite)) == 0.0f && std::isfinite(range);
  const bool usable = finite_range && range > 1e-30f;  // else all zero
  const float inverse = usable ? top / range : 0.0f;
  const float zero = usable ? std::nearbyint(-minimum * inverse) : 0.0f;
  const VF vector_inverse = hn::Set(d, inverse), offset = hn::Set(d, kRoundingOffset + zero);
  const VF lowest = hn::Set(d, kRoundingOffset), highest = hn::Set(d, kRoundingOffset + top);
  const hn::RebindToUnsigned<F> du;
  const hn::Rebind<std::uint8_t, F> bytes;
  for_row(
      count,
      [&](std::size_t i) {
        const VF shifted = hn::MulAdd(hn::LoadU(d, x + i), vector_inverse, offset);
        const VF clamped = hn::Min(hn::Max(shifted, lowest), highest);
        hn::StoreU(hn::U8FromU32(hn::And(hn::BitCast(du, clamped), hn::Set(du, 0xFFu))), bytes, q + i);
      },
      [&](std::size_t i) {
        const float scaled = std::nearbyint(x[i] * inverse + zero);
        q[i] = static_cast<std::uint8_t>(scaled > 0 ? std::min(scaled, top) : 0.0f);
      });
  // Bytes can't hold what is not a number; the scale does, so that it shows in the product.
  if (!finite_range) return {std::numeric_limits<float>::quiet_NaN(), 0};
  return {usable ? range / top : 0.0f, static_cast<std::int32_t>(zero)};
}

bool AllFinite(const float* x, std::size_t count) {
  VF sum = hn::Zero(F());  // x * 0 is 0, or not a number
  float tail = 0;
  for_row(
      count, [&](std::size_t i) { sum = hn::MulAdd(hn::LoadU(F(), x + i), hn::Zero(F()), sum); },
      [&](std::size_t i) { tail += x[i] * 0.0f; });
  return tail + hn::GetLane(hn::SumOfLanes(F(), sum)) == 0.0f;
}

QuantisedWeightRow QuantiseWeightRow(const float* x, std::size_t count, std::int8_t* q) {
  const F d;
  VF largest = hn::Zero(d);
  float largest_tail = 0;
  for_row(
      count, [&](std::size_t i) { largest = hn::Max(largest, hn::Abs(hn::LoadU(d, x + i))); },
      [&](std::size_t i) { largest_tail = std::max(largest_tail, std::abs(x[i])); });
  const float maximum = std::max(largest_tail, hn::GetLane(hn::MaxOfLanes(d, largest)));
  const float inverse = maximum > 1e-30f ? 127.0f / maximum : 0.0f;
  const VF vector_inverse = hn::Set(d, inverse);
  const hn::Rebind<std::int8_t, F> bytes;
  auto sum = hn::Zero(I());
  std::int32_t sum_tail = 0;
  for_row(
      count,
      [&](std::size_t i) {
        const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), vector_inverse));
        sum = hn::Add(sum, rounded);
        hn::StoreU(hn::DemoteTo(bytes, rounded), bytes, q + i);
      },
      [&](std::size_t i) {
        q[i] = static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
        sum_tail += q[i];
      });
  return {maximum > 1e-30f ? maximum / 127.0f : 0.0f, sum_tail + hn::GetLane(hn::SumOfLanes(I(), sum))};
}

void LayerNormRow(const float* x, std::size_t count, const float* gamma, const float* beta, float* out) {
  const F d;
  VF sum = hn::Zero(d);
  float sum_tail = 0;
  for_row(
      count, [&](std::size_t i) { sum = hn::Add(sum, hn::LoadU(d, x + i)); }, [&](std::size_t i) { sum_tail += x[i]; });
  const float mean = (hn::GetLane(hn::SumOfLanes(d, sum)) + sum_tail) / static_cast<float>(count);
  const VF vector_mean = hn::Set(d, mean);
  VF squares = hn::Zero(d);
  float squares_tail = 0;
  for_row(
      count,
      [&](std::size_t i) {
        const VF centred = hn::Sub(hn::LoadU(d, x + i), vector_mean);
        squares = hn::MulAdd(centred, centred, squares);
      },
      [&](std::size_t i) { squares_tail += (x[i] - mean) * (x[i] - mean); });
  const float variance = (hn::GetLane(hn::SumOfLanes(d, squares)) + squares_tail) / static_cast<float>(count);
  const float inverse = 1.0f / std::sqrt(variance + 1e-5f);
  const VF vector_inverse = hn::Set(d, inverse);
  for_row(
      count,
      [&](std::size_t i) {
        const VF centred = hn::Sub(hn::LoadU(d, x + i), vector_mean);
        const VF scaled = hn::Mul(hn::Mul(centred, vector_inverse), hn::LoadU(d, gamma + i));
        hn::StoreU(hn::Add(scaled, hn::LoadU(d, beta + i)), d, out + i);
      },
      [&](std::size_t i) { out[i] = (x[i] - mean) * inverse * gamma[i] + beta[i]; });
}

void ConvertToBfloat16(const float* x, std::size_t count, std::uint16_t* out) {
  const F d;
  const hn::RebindToUnsigned<F> du;
  const hn::Rebind<std::uint16_t, F> halves;
  for_row(
      count,
      [&](std::size_t i) {
        const auto bits = hn::BitCast(du, hn::LoadU(d, x + i));
        const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
        const auto rounded = hn::Add(bits, hn::Add(hn::Set(du, 0x7fffu), even));
        const auto upper = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(hn::BitCast(d, bits))), hn::Set(du, 0x7fc0u),
                                          hn::ShiftRight<16>(rounded));
        hn::StoreU(hn::TruncateTo(halves, upper), halves, out + i);
      },
      [&](std::size_t i) { out[i] = float_to_bfloat16(x[i]); });
}

void ConvertFromHalf(const std::uint16_t* x, std::size_t count, float* out) {
  for_row(
      count, [&](std::size_t i) { hn::StoreU(load(reinterpret_cast<const hwy::float16_t*>(x + i)), F(), out + i); },
      [&](std::size_t i) { out[i] = half_to_float(x[i]); });
}

void StoreRow(const float* x, std::size_t count, StorageType storage, void* out) {
  if (storage == StorageType::kFloat32) {
    std::memcpy(out, x, count * sizeof(float));
    return;
  }
  auto* halves = static_cast<hwy::float16_t*>(out);
  for_row(
      count, [&](std::size_t i) { store(hn::LoadU(F(), x + i), halves + i); },
      [&](std::size_t i) { reinterpret_cast<std::uint16_t*>(out)[i] = float_to_half(x[i]); });
}

/// `kQuantised`: int32 sums of 8-bit products. Whole vectors only; the caller cuts at blocks of 64 columns.
template <bool kQuantised, bool kGelu, typename T>
HWY_INLINE void finish_vector(const ProductEnd& end, int row, int column, const float* residual, T* out) {
  const F d;
  VF v;
  if constexpr (kQuantised) {
    // scale * w_scale * (sum - zero_point * sum of w's q) + bias, with a multiplication of integers less.
    const QuantisedRow& quantisation = end.row_quantisation[row];
    const auto sums = hn::LoadU(I(), static_cast<const std::int32_t*>(end.sums) + row * end.sums_stride + column);
    const VF shift = hn::Set(d, quantisation.scale * static_cast<float>(quantisation.zero_point));
    const VF bias = end.bias != nullptr ? hn::LoadU(d, end.bias + column) : hn::Zero(d);
    const VF rest = hn::NegMulAdd(shift, hn::LoadU(d, end.column_sums + column), bias);
    const VF scale = hn::Mul(hn::Set(d, quantisation.scale), hn::LoadU(d, end.scales + column));
    v = hn::MulAdd(hn::ConvertTo(d, sums), scale, rest);
  } else {
    v = hn::LoadU(d, static_cast<const float*>(end.sums) + row * end.sums_stride + column);
    if (end.bias != nullptr) v = hn::Add(v, hn::LoadU(d, end.bias + column));
  }
  if constexpr (kGelu) v = kQuantised ? gelu_coarse(d, v) : gelu(d, v);
  if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual));
  store(v, out);
}

template <bool kQuantised, bool kGelu, typename T>
void finish_rows(const ProductEnd& end) {
  const auto lanes = static_cast<int>(hn::Lanes(F()));
  for (int row = 0; row < end.rows; ++row) {
    T* const out_row = static_cast<T*>(end.output.data) + (end.first_row + row) * end.output.row_stride;
    const float* const residual_row = end.residual != nullptr ? end.residual + row * end.residual_stride : nullptr;
    for (int block = 0; block < end.columns; block += 64) {
      const std::int64_t column = end.first_column + block;
      T* const out = out_row + column / 64 * end.output.block_stride + column % 64;
      const float* const residual = residual_row != nullptr ? residual_row + block : nullptr;
      const int width = std::min(64, end.columns - block);
      int i = 0;
      for (; i + lanes <= width; i += lanes) {
        finish_vector<kQuantised, kGelu>(end, row, block + i, residual != nullptr ? residual + i : nullptr, out + i);
      }
      if (i == width) continue;
      // The rest of a row whose length is no multiple of the vector's: sums, scales and bias have room, the output and
      // the residual may not.
      float residual_rest[HWY_MAX_BYTES / sizeof(float)] = {};
      T out_rest[HWY_MAX_BYTES / sizeof(float)];
      for (int k = 0; residual != nullptr && i + k < width; ++k) residual_rest[k] = residual[i + k];
      finish_vector<kQuantised, kGelu>(end, row, block + i, residual != nullptr ? residual_rest : nullptr, out_rest);
      for (int k = 0; i + k < width; ++k) out[i + k] = out_rest[k];
    }
  }
}

template <bool kQuantised, bool kGelu>
void finish_typed(const ProductEnd& end) {
  if (end.output.type == StorageType::kFloat32) {
    finish_rows<kQuantised, kGelu, float>(end);
  } else {
    finish_rows<kQuantised, kGelu, hwy::float16_t>(end);
  }
}

void FinishProduct(const ProductEnd& end) {
  const bool quantised = end.scales != nullptr;
  const bool with_gelu = end.activation == Activation::kGelu;
  if (quantised && with_gelu) return finish_typed<true, true>(end);
  if (quantised) return finish_typed<true, false>(end);
  if (with_gelu) return finish_typed<false, true>(end);
  return finish_typed<false, false>(end);
}

/// c[r][0, 64) (+)= sum over k < depth of a[r * a_row + k * a_depth] * b[k][0, 64), for kRows rows r. b and c are
/// [.., kQueryBlock]. Both products of attention are this one: keys times queries, and values times weights.
template <int kRows, bool kAccumulate>
HWY_INLINE void accumulate_rows(const float* HWY_RESTRICT a, std::size_t a_row, std::size_t a_depth,
                                const float* HWY_RESTRICT b, std::size_t depth, float* HWY_RESTRICT c) {
  const F d;
  constexpr std::size_t kVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t column = 0; column < kQueryBlock; column += kVectors * lanes) {
    VF sums[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[r][v] =
            kAccumulate ? hn::Load(d, c + static_cast<std::size_t>(r) * kQueryBlock + column + v * lanes) : hn::Zero(d);
      }
    }
    for (std::size_t k = 0; k < depth; ++k) {
      VF columns[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) columns[v] = hn::Load(d, b + k * kQueryBlock + column + v * lanes);
      for (int r = 0; r < kRows; ++r) {
        const VF factor = hn::Set(d, a[static_cast<std::size_t>(r) * a_row + k * a_depth]);
        for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(factor, columns[v], sums[r][v]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        hn::Store(sums[r][v], d, c + static_cast<std::size_t>(r) * kQueryBlock + column + v * lanes);
      }
    }
  }
}

// As many sums as registers hold, beside what they are made of; fewer could not hide the latency of multiply-add.
constexpr int kRowsAtOnce = 6;

/// Queries lie in the lanes, so that the soft-max needs no sums across lanes and keys and values are read as they lie.
void AttendBlock(const AttentionBlock& block, float* scratch) {
  const F d;
  const std::size_t lanes = hn::Lanes(d);
  float* const queries = scratch;                             // [64 dimensions, queries]
  float* const weighted = queries + kHeadSize * kQueryBlock;  // [64 dimensions, queries]: weights times values
  float* const scores = weighted + kHeadSize * kQueryBlock;   // [keys, queries]
  float* const largest = scores + kKeyBlock * kQueryBlock;    // [queries]
  float* const total = largest + kQueryBlock;                 // [queries]

  std::memset(queries, 0, kHeadSize * kQueryBlock * sizeof(float));
  for (int q = 0; q < block.num_queries; ++q) {
    for (int i = 0; i < kHeadSize; ++i) queries[i * kQueryBlock + q] = block.queries[q * kHeadSize + i] * 0.125f;
  }
  std::memset(weighted, 0, kHeadSize * kQueryBlock * sizeof(float));
  std::fill_n(largest, kQueryBlock, std::numeric_limits<float>::lowest());
  std::fill_n(total, kQueryBlock, 0.0f);

  for (std::int64_t first = 0; first < block.num_keys; first += kKeyBlock) {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(kKeyBlock, block.num_keys - first));
    const float* const keys = block.keys + first * kHeadSize;
    const float* const values = block.values + first * kHeadSize;
    std::size_t key = 0;
    for (; key + kRowsAtOnce <= count; key += kRowsAtOnce) {
      accumulate_rows<kRowsAtOnce, false>(keys + key * kHeadSize, kHeadSize, 1, queries, kHeadSize,
                                          scores + key * kQueryBlock);
    }
    for (; key + 2 <= count; key += 2) {
      accumulate_rows<2, false>(keys + key * kHeadSize, kHeadSize, 1, queries, kHeadSize, scores + key * kQueryBlock);
    }
    for (; key < count; ++key) {
      accumulate_rows<1, false>(keys + key * kHeadSize, kHeadSize, 1, queries, kHeadSize, scores + key * kQueryBlock);
    }
    for (std::size_t q = 0; q < kQueryBlock; q += lanes) {
      const VF before = hn::Load(d, largest + q);
      VF highest = before;
      for (std::size_t k = 0; k < count; ++k) highest = hn::Max(highest, hn::Load(d, scores + k * kQueryBlock + q));
      VF sum0 = hn::Zero(d), sum1 = hn::Zero(d);
      std::size_t k = 0;
      for (; k + 2 <= count; k += 2) {
        float* const pair = scores + k * kQueryBlock + q;
        const VF e0 = exp_fast(d, hn::Sub(hn::Load(d, pair), highest));
        const VF e1 = exp_fast(d, hn::Sub(hn::Load(d, pair + kQueryBlock), highest));
        hn::Store(e0, d, pair);
        hn::Store(e1, d, pair + kQueryBlock);
        sum0 = hn::Add(sum0, e0);
        sum1 = hn::Add(sum1, e1);
      }
      if (k < count) {
        const VF e = exp_fast(d, hn::Sub(hn::Load(d, scores + k * kQueryBlock + q), highest));
        hn::Store(e, d, scores + k * kQueryBlock + q);
        sum0 = hn::Add(sum0, e);
      }
      const VF shrink = exp_fast(d, hn::Sub(before, highest));
      hn::Store(highest, d, largest + q);
      hn::Store(hn::MulAdd(hn::Load(d, total + q), shrink, hn::Add(sum0, sum1)), d, total + q);
      if (first == 0) continue;
      for (std::size_t i = 0; i < kHeadSize; ++i) {
        float* const p = weighted + i * kQueryBlock + q;
        hn::Store(hn::Mul(hn::Load(d, p), shrink), d, p);
      }
    }
    std::size_t i = 0;
    for (; i + kRowsAtOnce <= kHeadSize; i += kRowsAtOnce) {
      accumulate_rows<kRowsAtOnce, true>(values + i, 1, kHeadSize, scores, count, weighted + i * kQueryBlock);
    }
    constexpr int kRest = kHeadSize % kRowsAtOnce;
    if constexpr (kRest != 0) {
      accumulate_rows<kRest, true>(values + i, 1, kHeadSize, scores, count, weighted + i * kQueryBlock);
    }
  }
  for (std::size_t q = 0; q < kQueryBlock; q += lanes) {
    hn::Store(hn::Div(hn::Set(d, 1.0f), hn::Load(d, total + q)), d, total + q);
  }
  for (int q = 0; q < block.num_queries; ++q) {
    float* const out = block.output + q * block.output_stride;
    for (int i = 0; i < kHeadSize; ++i) out[i] = weighted[i * kQueryBlock + q] * total[q];
  }
}

/// Where the k-th vector of 64 lies: one after another, or where a table says.
struct InOrder {
  HWY_INLINE std::size_t operator()(std::size_t k) const { return k * kHeadSize; }
};
struct InCells {
  const std::int32_t* cells;
  HWY_INLINE std::size_t operator()(std::size_t k) const { return static_cast<std::size_t>(cells[k]) * kHeadSize; }
};

/// out[i] = the sum of v[i]'s lanes, of four vectors.
HWY_INLINE void store_sums_of_lanes(const VF v[4], float* out) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4; ++i) out[i] = hn::GetLane(v[i]);
#else
  const F d;
  const hn::Repartition<double, F> pairs;
  const auto t0 = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1])));
  const auto t1 = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[2], v[3]), hn::InterleaveUpper(d, v[2], v[3])));
  const VF blocks = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, t0, t1)),
                            hn::BitCast(d, hn::InterleaveUpper(pairs, t0, t1)));  // the four of each 128 bits
#if HWY_MAX_BYTES == 16
  hn::StoreU(blocks, d, out);
#else
  const hn::Half<F> half;
  const auto folded = hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
#if HWY_MAX_BYTES == 32
  hn::StoreU(folded, half, out);
#else
  const hn::Half<decltype(half)> quarter;
  hn::StoreU(hn::Add(hn::LowerHalf(quarter, folded), hn::UpperHalf(quarter, folded)), quarter, out);
#endif
#endif
#endif
}

/// Rows whose sums fit into registers, so that what is read and converted serves them all.
constexpr int kMaxRows = HWY_MAX_BYTES >= 64 ? kMaxStoredRows : 3;

/// weights[row][k] = e^(query_row . key_k / 8 - maximum), zero up to whole vectors; totals[row]: their sums.
template <int kRows, typename T, typename Place>
HWY_INLINE void score_keys(const StoredAttention& rows, const T* keys, Place place, float* totals) {
  const F d;
  const std::size_t lanes = hn::Lanes(d);
  const auto num_keys = static_cast<std::size_t>(rows.num_keys);
  HWY_ALIGN float queries[kRows][kHeadSize];
  for (int r = 0; r < kRows; ++r) {
    for (std::size_t i = 0; i < kHeadSize; i += lanes) {
      hn::Store(hn::Mul(hn::LoadU(d, rows.queries + r * rows.query_stride + i), hn::Set(d, 0.125f)), d, queries[r] + i);
    }
  }
  for (std::size_t k = 0; k < num_keys; k += 4) {
    const T* key[4];
    for (std::size_t j = 0; j < 4; ++j) key[j] = keys + place(std::min(k + j, num_keys - 1));
    VF sums[kRows][4];
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < 4; ++j) sums[r][j] = hn::Zero(d);
    }
    for (std::size_t i = 0; i < kHeadSize; i += lanes) {
      VF values[4];
      for (int j = 0; j < 4; ++j) values[j] = load(key[j] + i);
      for (int r = 0; r < kRows; ++r) {
        const VF query = hn::Load(d, queries[r] + i);
        for (int j = 0; j < 4; ++j) sums[r][j] = hn::MulAdd(query, values[j], sums[r][j]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      store_sums_of_lanes(sums[r], rows.weights + r * rows.weights_stride + k);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float* const weights = rows.weights + r * rows.weights_stride;
    for (std::size_t k = num_keys; k % lanes != 0; ++k) weights[k] = std::numeric_limits<float>::lowest();
    VF largest = hn::LoadU(d, weights);
    for (std::size_t k = lanes; k < num_keys; k += lanes) largest = hn::Max(largest, hn::LoadU(d, weights + k));
    largest = hn::MaxOfLanes(d, largest);
    VF sum = hn::Zero(d);
    for (std::size_t k = 0; k < num_keys; k += lanes) {
      const VF e = exp_fast(d, hn::Sub(hn::LoadU(d, weights + k), largest));
      hn::StoreU(e, d, weights + k);
      sum = hn::Add(sum, e);
    }
    totals[r] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

template <int kRows, typename T, typename Place>
void attend_rows(const StoredAttention& rows, Place place) {
  const F d;
  constexpr std::size_t kVectors = kHeadSize / hn::MaxLanes(F());
  const std::size_t lanes = hn::Lanes(d);
  float totals[kRows];
  score_keys<kRows>(rows, static_cast<const T*>(rows.keys), place, totals);
  const auto* const values = static_cast<const T*>(rows.values);
  // Half of a vector's dimensions at a time where registers are few.
  constexpr std::size_t kAtOnce = HWY_MAX_BYTES >= 64 ? kVectors : std::min<std::size_t>(kVectors, 4);
  for (std::size_t first = 0; first < kHeadSize; first += kAtOnce * lanes) {
    VF sums[kRows][kAtOnce];
    for (int r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kAtOnce; ++v) sums[r][v] = hn::Zero(d);
    }
    for (std::size_t k = 0; k < static_cast<std::size_t>(rows.num_keys); ++k) {
      const T* const value = values + place(k) + first;
      VF vectors[kAtOnce];
      for (std::size_t v = 0; v < kAtOnce; ++v) vectors[v] = load(value + v * lanes);
      for (int r = 0; r < kRows; ++r) {
        const VF weight = hn::Set(d, rows.weights[static_cast<std::size_t>(r * rows.weights_stride) + k]);
        for (std::size_t v = 0; v < kAtOnce; ++v) sums[r][v] = hn::MulAdd(weight, vectors[v], sums[r][v]);
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

/// All rows, as many at a time as registers hold. What is computed for a row is the same, alone or with others.
template <typename T, typename Place>
void attend_stored(StoredAttention rows, Place place) {
  while (rows.num_rows > 0) {
    const int count = std::min(rows.num_rows, kMaxRows);
    switch (count) {
      case 1:
        attend_rows<1, T>(rows, place);
        break;
      case 2:
        attend_rows<2, T>(rows, place);
        break;
      case 3:
        attend_rows<3, T>(rows, place);
        break;
      case 4:
        attend_rows<std::min(4, kMaxRows), T>(rows, place);
        break;
      default:
        attend_rows<kMaxRows, T>(rows, place);
    }
    rows.num_rows -= count;
    rows.queries += count * rows.query_stride;
    rows.output += count * rows.output_stride;
  }
}

template <typename T>
void attend_cells(const StoredAttention& rows) {
  if (rows.cells == nullptr) {
    attend_stored<T>(rows, InOrder());
  } else {
    attend_stored<T>(rows, InCells{rows.cells});
  }
}

void AttendStored(const StoredAttention& rows) {
  if (rows.storage == StorageType::kFloat32) {
    attend_cells<float>(rows);
  } else {
    attend_cells<hwy::float16_t>(rows);
  }
}

void AttentionWeights(const StoredAttention& row) {
  float total = 0;
  if (row.storage == StorageType::kFloat32) {
    score_keys<1>(row, static_cast<const float*>(row.keys), InOrder(), &total);
  } else {
    score_keys<1>(row, static_cast<const hwy::float16_t*>(row.keys), InOrder(), &total);
  }
  const float inverse = 1.0f / total;
  for (std::int64_t k = 0; k < row.num_keys; ++k) row.weights[k] *= inverse;
}

const char* KernelsTarget() { return hwy::TargetName(HWY_TARGET); }

}  // namespace stenod::compute::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stenod::compute {
namespace cpu {

HWY_EXPORT(QuantiseRow);
HWY_EXPORT(AllFinite);
HWY_EXPORT(QuantiseWeightRow);
HWY_EXPORT(LayerNormRow);
HWY_EXPORT(ConvertToBfloat16);
HWY_EXPORT(ConvertFromHalf);
HWY_EXPORT(StoreRow);
HWY_EXPORT(FinishProduct);
HWY_EXPORT(AttendBlock);
HWY_EXPORT(AttendStored);
HWY_EXPORT(AttentionWeights);
HWY_EXPORT(KernelsTarget);

QuantisedRow quantise_row(std::span<const float> values, int max_q, std::uint8_t* q) {
  return HWY_DYNAMIC_DISPATCH(QuantiseRow)(values.data(), values.size(), max_q, q);
}

bool all_finite(std::span<const float> values) { return HWY_DYNAMIC_DISPATCH(AllFinite)(values.data(), values.size()); }

QuantisedWeightRow quantise_weight_row(std::span<const float> values, std::int8_t* q) {
  return HWY_DYNAMIC_DISPATCH(QuantiseWeightRow)(values.data(), values.size(), q);
}

void layer_norm_row(std::span<const float> values, const LayerNorm& norm, float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNormRow)(values.data(), values.size(), norm.gamma, norm.beta, out);
}

void convert_to_bfloat16(std::span<const float> values, std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(ConvertToBfloat16)(values.data(), values.size(), out);
}

void convert_from_half(std::span<const std::uint16_t> values, float* out) {
  HWY_DYNAMIC_DISPATCH(ConvertFromHalf)(values.data(), values.size(), out);
}

void store_row(const float* values, std::int64_t count, StorageType storage, void* out) {
  HWY_DYNAMIC_DISPATCH(StoreRow)(values, static_cast<std::size_t>(count), storage, out);
}

void finish_product(const ProductEnd& end) { HWY_DYNAMIC_DISPATCH(FinishProduct)(end); }

void attend_block(const AttentionBlock& block, float* scratch) { HWY_DYNAMIC_DISPATCH(AttendBlock)(block, scratch); }

void attend_stored(const StoredAttention& rows) { HWY_DYNAMIC_DISPATCH(AttendStored)(rows); }

void attention_weights(const StoredAttention& row) { HWY_DYNAMIC_DISPATCH(AttentionWeights)(row); }

const char* kernels_target() { return HWY_DYNAMIC_DISPATCH(KernelsTarget)(); }

}  // namespace cpu

void halves_to_floats(std::span<const std::uint16_t> halves, std::span<float> floats) {
  cpu::convert_from_half(halves, floats.data());
}

}  // namespace stenod::compute
#endif  // HWY_ONCE
