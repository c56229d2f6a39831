#include "compute/cpu/attention_bf16.h"

// GCC 12 takes the intrinsics' own undefined operands for mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "compute/cpu/tiles.h"

// Highway has no target for these instructions, hence intrinsics and targets of our own.
#define STENOD_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define STENOD_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")))

namespace stenod::compute::cpu {
namespace {

constexpr int kVectors = kQueryBlock / 16;
constexpr int kPairs = kHeadSize / 2;
constexpr float kExp2[] = {1.0000026f, 0.69300383f, 0.24144275f, 0.05201146f, 0.013534168f};

STENOD_BF16 inline __m512bh as_bf16(__m512i v) { return reinterpret_cast<__m512bh>(v); }

/// Sixteen pairs: low half from `low`, high half from `high`.
STENOD_BF16 inline __m512i pair_up(__m512 low, __m512 high) {
  const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                              6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(interleave, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}

/// 2^x for x <= 0, relative error below 5e-6, which is far finer than bfloat16: a polynomial in what x has above its
/// floor, fitted on [0, 1) for the least relative error.
STENOD_BF16 inline __m512 exp2_negative(__m512 x) {
  const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(kExp2[4]);
  for (int i = 3; i >= 0; --i) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExp2[i]));
  return _mm512_scalef_ps(p, x);  // by 2^floor(x)
}

/// c[r][0, 64) (+)= sum over k < depth of a[r * a_row + k * a_depth] . b[k][0, 64), each a dot product of two
/// pairs.
template <int kRows, bool kAccumulate>
STENOD_BF16 inline void accumulate_rows(const std::uint32_t* a, std::int64_t a_row, std::int64_t a_depth,
                                        const std::uint32_t* b, std::int64_t depth, float* c) {
  __m512 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = kAccumulate ? _mm512_load_ps(c + r * kQueryBlock + v * 16) : _mm512_setzero_ps();
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    __m512bh columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = as_bf16(_mm512_load_si512(b + k * kQueryBlock + v * 16));
    for (int r = 0; r < kRows; ++r) {
      const __m512bh pair = as_bf16(_mm512_set1_epi32(static_cast<int>(a[r * a_row + k * a_depth])));
      for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], pair, columns[v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) _mm512_store_ps(c + r * kQueryBlock + v * 16, sums[r][v]);
  }
}

/// What a block is worked on in: all but the soft-max's state lies in the caller's scratch.
struct Work {
  explicit Work(void* scratch)
      : weighted(static_cast<float*>(scratch)),
        scores(weighted + kHeadSize * kQueryBlock),
        weight_pairs(reinterpret_cast<std::uint32_t*>(scores)),
        query_pairs(weight_pairs + kBf16KeyBlock * kQueryBlock) {
    std::memset(weighted, 0, sizeof(float) * kHeadSize * kQueryBlock);
    std::fill_n(largest, kQueryBlock, std::numeric_limits<float>::lowest());
    std::fill_n(total, kQueryBlock, 0.0f);
  }

  float* const weighted;              ///< [64 dimensions, queries]: weights times values
  float* const scores;                ///< [keys, queries]
  std::uint32_t* const weight_pairs;  ///< [pairs of keys, queries], in the scores' place once those are read
  std::uint32_t* const query_pairs;   ///< [32 pairs of dimensions, queries]
  alignas(64) float largest[kQueryBlock];
  alignas(64) float total[kQueryBlock];
};

STENOD_BF16 void pack_queries(const AttentionBlock& block, std::uint32_t* query_pairs) {
  std::memset(query_pairs, 0, sizeof(std::uint32_t) * kPairs * kQueryBlock);
  for (int q = 0; q < block.num_queries; ++q) {
    alignas(64) std::uint32_t pairs[kPairs];
    for (int i = 0; i < kPairs; i += 16) {
      const __m512 eighth = _mm512_set1_ps(0.125f);
      const __m512 low = _mm512_mul_ps(_mm512_loadu_ps(block.queries + q * kHeadSize + 2 * i), eighth);
      const __m512 high = _mm512_mul_ps(_mm512_loadu_ps(block.queries + q * kHeadSize + 2 * i + 16), eighth);
      _mm512_store_si512(pairs + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
    for (int i = 0; i < kPairs; ++i) query_pairs[i * kQueryBlock + q] = pairs[i];
  }
}

/// scores[key][query] of `count` keys.
STENOD_BF16 void score_with_vectors(const std::uint32_t* keys, std::int64_t count, const Work& work) {
  std::int64_t k = 0;
  for (; k + 4 <= count; k += 4) {
    accumulate_rows<4, false>(keys + k * kPairs, kPairs, 1, work.query_pairs, kPairs, work.scores + k * kQueryBlock);
  }
  for (; k < count; ++k) {
    accumulate_rows<1, false>(keys + k * kPairs, kPairs, 1, work.query_pairs, kPairs, work.scores + k * kQueryBlock);
  }
}

/// The same, for keys up to a whole tile: 16 keys by 32 queries at a time, whose queries stay in tiles 0 to 3.
STENOD_AMX void score_with_tiles(const std::uint32_t* keys, std::int64_t count, const Work& work) {
  constexpr int kQueryStride = kQueryBlock * sizeof(std::uint32_t), kKeyStride = kPairs * sizeof(std::uint32_t);
  asm volatile("" ::: "memory");  // a tile's load does not tell the compiler what it reads
  for (int q = 0; q < kQueryBlock; q += 32) {
    _tile_loadd(0, work.query_pairs + q, kQueryStride);
    _tile_loadd(1, work.query_pairs + 16 * kQueryBlock + q, kQueryStride);
    _tile_loadd(2, work.query_pairs + q + 16, kQueryStride);
    _tile_loadd(3, work.query_pairs + 16 * kQueryBlock + q + 16, kQueryStride);
    for (std::int64_t k = 0; k < count; k += 16) {
      _tile_loadd(4, keys + k * kPairs, kKeyStride);
      _tile_loadd(5, keys + k * kPairs + 16, kKeyStride);
      _tile_zero(6);
      _tile_zero(7);
      _tile_dpbf16ps(6, 4, 0);
      _tile_dpbf16ps(7, 4, 2);
      _tile_dpbf16ps(6, 5, 1);
      _tile_dpbf16ps(7, 5, 3);
      _tile_stored(6, work.scores + k * kQueryBlock + q, kQueryStride);
      _tile_stored(7, work.scores + k * kQueryBlock + q + 16, kQueryStride);
    }
  }
}

/// From `count` keys' scores to their weights in pairs, zero up to a tile's depth; what was weighted with before
/// shrinks to the new maximum.
STENOD_BF16 void soft_max(std::int64_t count, bool is_first, Work& work) {
  const __m512 log2_e = _mm512_set1_ps(1.44269504f);
  for (int column = 0; column < kQueryBlock; column += 16) {
    const float* const scores = work.scores + column;
    std::uint32_t* const weights = work.weight_pairs + column;
    const __m512 before = _mm512_load_ps(work.largest + column);
    __m512 even = before, odd = before;
    for (std::int64_t k = 0; k + 1 < count; k += 2) {
      even = _mm512_max_ps(even, _mm512_load_ps(scores + k * kQueryBlock));
      odd = _mm512_max_ps(odd, _mm512_load_ps(scores + (k + 1) * kQueryBlock));
    }
    if (count % 2 != 0) even = _mm512_max_ps(even, _mm512_load_ps(scores + (count - 1) * kQueryBlock));
    const __m512 highest = _mm512_max_ps(even, odd);
    const auto weight_of = [&](std::int64_t k) STENOD_BF16 {
      const __m512 below = _mm512_sub_ps(_mm512_load_ps(scores + k * kQueryBlock), highest);
      return exp2_negative(_mm512_mul_ps(below, log2_e));
    };
    __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
    std::int64_t k = 0;
    for (; k + 1 < count; k += 2) {
      const __m512 e0 = weight_of(k), e1 = weight_of(k + 1);
      sum0 = _mm512_add_ps(sum0, e0);
      sum1 = _mm512_add_ps(sum1, e1);
      _mm512_store_si512(weights + k / 2 * kQueryBlock, pair_up(e0, e1));
    }
    if (k < count) {
      const __m512 e = weight_of(k);
      sum0 = _mm512_add_ps(sum0, e);
      _mm512_store_si512(weights + k / 2 * kQueryBlock, pair_up(e, _mm512_setzero_ps()));
      k += 2;
    }
    for (; k % kTileDepth != 0; k += 2) _mm512_store_si512(weights + k / 2 * kQueryBlock, _mm512_setzero_si512());

    const __m512 shrink = exp2_negative(_mm512_mul_ps(_mm512_sub_ps(before, highest), log2_e));
    _mm512_store_ps(work.largest + column, highest);
    _mm512_store_ps(work.total + column,
                    _mm512_fmadd_ps(_mm512_load_ps(work.total + column), shrink, _mm512_add_ps(sum0, sum1)));
    if (is_first) continue;
    for (int i = 0; i < kHeadSize; ++i) {
      float* const p = work.weighted + i * kQueryBlock + column;
      _mm512_store_ps(p, _mm512_mul_ps(_mm512_load_ps(p), shrink));
    }
  }
}

/// weighted[dimension][query] += weights times values; `values` of the first key, as packed.
STENOD_BF16 void weigh_with_vectors(const std::uint32_t* values, std::int64_t count, const Work& work) {
  for (int i = 0; i < kHeadSize; i += 4) {
    accumulate_rows<4, true>(values + i, 1, kHeadSize, work.weight_pairs, (count + 1) / 2,
                             work.weighted + i * kQueryBlock);
  }
}

/// The same with 32 dimensions by 32 queries at a time.
STENOD_AMX void weigh_with_tiles(const std::uint32_t* values, std::int64_t count, const Work& work) {
  constexpr int kQueryStride = kQueryBlock * sizeof(float), kValueStride = kTilePairs * sizeof(std::uint32_t);
  asm volatile("" ::: "memory");
  for (int q = 0; q < kQueryBlock; q += 32) {
    for (int i = 0; i < kHeadSize; i += 32) {
      float* const sums = work.weighted + i * kQueryBlock + q;
      _tile_loadd(0, sums, kQueryStride);
      _tile_loadd(1, sums + 16, kQueryStride);
      _tile_loadd(2, sums + 16 * kQueryBlock, kQueryStride);
      _tile_loadd(3, sums + 16 * kQueryBlock + 16, kQueryStride);
      for (std::int64_t pair = 0; pair < (count + 1) / 2; pair += kTilePairs) {
        _tile_loadd(4, values + pair * kHeadSize + i * kTilePairs, kValueStride);
        _tile_loadd(5, values + pair * kHeadSize + (i + 16) * kTilePairs, kValueStride);
        _tile_loadd(6, work.weight_pairs + pair * kQueryBlock + q, kQueryStride);
        _tile_loadd(7, work.weight_pairs + pair * kQueryBlock + q + 16, kQueryStride);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_stored(0, sums, kQueryStride);
      _tile_stored(1, sums + 16, kQueryStride);
      _tile_stored(2, sums + 16 * kQueryBlock, kQueryStride);
      _tile_stored(3, sums + 16 * kQueryBlock + 16, kQueryStride);
    }
  }
}

/// output[query][dimension] = weighted / total
STENOD_BF16 void store_output(const AttentionBlock& block, const Work& work) {
  alignas(64) float inverse[kQueryBlock];
  for (int q = 0; q < kQueryBlock; q += 16) {
    _mm512_store_ps(inverse + q, _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_load_ps(work.total + q)));
  }
  for (int q = 0; q < block.num_queries; ++q) {
    float* const out = block.output + q * block.output_stride;
    for (int i = 0; i < kHeadSize; ++i) out[i] = work.weighted[i * kQueryBlock + q] * inverse[q];
  }
}

STENOD_BF16 void attend(const AttentionBlock& block, const PackedKeysValues& packed, Work& work) {
  pack_queries(block, work.query_pairs);
  for (std::int64_t first = 0; first < packed.num_keys; first += kBf16KeyBlock) {
    const std::int64_t count = std::min<std::int64_t>(kBf16KeyBlock, packed.num_keys - first);
    const std::uint32_t* const keys = packed.keys + first * kPairs;
    if (packed.unit == Bf16Unit::kTiles) {
      score_with_tiles(keys, count, work);
      soft_max(count, first == 0, work);
      weigh_with_tiles(packed.values + first / 2 * kHeadSize, count, work);
    } else {
      score_with_vectors(keys, count, work);
      soft_max(count, first == 0, work);
      weigh_with_vectors(packed.values + first / 2 * kHeadSize, count, work);
    }
  }
  store_output(block, work);
}

}  // namespace

STENOD_BF16 void pack_keys_values(const float* keys, const float* values, const PackedKeysValues& packed) {
  const std::int64_t num_padded = packed_elements(packed.num_keys) / kPairs;
  for (std::int64_t k = 0; k < packed.num_keys; ++k) {
    for (int i = 0; i < kHeadSize; i += 32) {
      const float* const from = keys + k * kHeadSize + i;
      const auto halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
      _mm512_storeu_si512(packed.keys + (k * kHeadSize + i) / 2, reinterpret_cast<__m512i>(halves));
    }
  }
  std::memset(packed.keys + packed.num_keys * kPairs, 0,
              sizeof(std::uint32_t) * static_cast<std::size_t>((num_padded - packed.num_keys) * kPairs));
  const __m512i tile_rows = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                               _mm512_set1_epi32(kTilePairs));
  for (std::int64_t k = 0; k < num_padded; k += 2) {
    for (int i = 0; i < kHeadSize; i += 16) {
      const float* const from = values + k * kHeadSize + i;
      const __m512 one = k < packed.num_keys ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
      const __m512 next = k + 1 < packed.num_keys ? _mm512_loadu_ps(from + kHeadSize) : _mm512_setzero_ps();
      const __m512i pairs = pair_up(one, next);
      if (packed.unit == Bf16Unit::kTiles) {
        const std::int64_t pair = k / 2;
        std::uint32_t* const tile = packed.values + pair / kTilePairs * kTilePairs * kHeadSize + i * kTilePairs;
        _mm512_i32scatter_epi32(tile + pair % kTilePairs, tile_rows, pairs, 4);
      } else {
        _mm512_storeu_si512(packed.values + k / 2 * kHeadSize + i, pairs);
      }
    }
  }
}

void attend_block_bf16(const AttentionBlock& block, const PackedKeysValues& packed, void* scratch) {
  Work work(scratch);
  if (packed.unit == Bf16Unit::kTiles) {
    const FullTiles tiles;
    attend(block, packed, work);
  } else {
    attend(block, packed, work);
  }
}

}  // namespace stenod::compute::cpu
