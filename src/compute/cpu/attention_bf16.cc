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

// Highway has no target for these instructions, hence intrinsics and a target of our own.
#define STENOD_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

namespace stenod::compute::cpu {
namespace {

constexpr int kVectors = kQueryBlock / 16;

STENOD_BF16 inline __m512bh as_bf16(__m512i v) { return reinterpret_cast<__m512bh>(v); }

/// Sixteen pairs: low half from `low`, high half from `high`.
STENOD_BF16 inline __m512i pair_up(__m512 low, __m512 high) {
  const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                              6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(interleave, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}

/// e^x for x <= 0, relative error below 3e-6, which is far finer than bfloat16.
STENOD_BF16 inline __m512 exp_negative(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-100.0f));  // n and the rest stay finite
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_set1_ps(1.0f / 120);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
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

}  // namespace

STENOD_BF16 void pack_keys_values(const float* keys, const float* values, const PackedKeysValues& packed) {
  for (std::int64_t k = 0; k < packed.num_keys; ++k) {
    for (int i = 0; i < kHeadSize; i += 32) {
      const float* const from = keys + k * kHeadSize + i;
      const auto halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
      _mm512_storeu_si512(packed.keys + (k * kHeadSize + i) / 2, reinterpret_cast<__m512i>(halves));
    }
  }
  for (std::int64_t k = 0; k < packed.num_keys; k += 2) {
    for (int i = 0; i < kHeadSize; i += 16) {
      const float* const from = values + k * kHeadSize + i;
      const __m512 next = k + 1 < packed.num_keys ? _mm512_loadu_ps(from + kHeadSize) : _mm512_setzero_ps();
      _mm512_storeu_si512(packed.values + k / 2 * kHeadSize + i, pair_up(_mm512_loadu_ps(from), next));
    }
  }
}

STENOD_BF16 void attend_block_bf16(const AttentionBlock& block, const PackedKeysValues& packed, void* scratch) {
  constexpr int kPairs = kHeadSize / 2;
  auto* const weighted = static_cast<float*>(scratch);       // [64 dimensions, queries]: weights times values
  float* const scores = weighted + kHeadSize * kQueryBlock;  // [keys, queries]
  auto* const query_pairs = reinterpret_cast<std::uint32_t*>(scores + kKeyBlock * kQueryBlock);  // [32, queries]
  std::uint32_t* const weight_pairs = query_pairs + kPairs * kQueryBlock;  // [pairs of keys, queries]

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
  std::memset(weighted, 0, sizeof(float) * kHeadSize * kQueryBlock);
  __m512 largest[kVectors], total[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    largest[v] = _mm512_set1_ps(std::numeric_limits<float>::lowest());
    total[v] = _mm512_setzero_ps();
  }

  for (std::int64_t first = 0; first < packed.num_keys; first += kKeyBlock) {
    const std::int64_t count = std::min<std::int64_t>(kKeyBlock, packed.num_keys - first);
    const std::uint32_t* const keys = packed.keys + first * kPairs;
    std::int64_t key = 0;
    for (; key + 4 <= count; key += 4) {
      accumulate_rows<4, false>(keys + key * kPairs, kPairs, 1, query_pairs, kPairs, scores + key * kQueryBlock);
    }
    for (; key < count; ++key) {
      accumulate_rows<1, false>(keys + key * kPairs, kPairs, 1, query_pairs, kPairs, scores + key * kQueryBlock);
    }
    for (int v = 0; v < kVectors; ++v) {
      float* const column = scores + v * 16;
      __m512 highest = largest[v];
      for (std::int64_t k = 0; k < count; ++k)
        highest = _mm512_max_ps(highest, _mm512_load_ps(column + k * kQueryBlock));
      __m512 sum = _mm512_setzero_ps();
      for (std::int64_t k = 0; k < count; k += 2) {
        const __m512 e0 = exp_negative(_mm512_sub_ps(_mm512_load_ps(column + k * kQueryBlock), highest));
        __m512 e1 = _mm512_setzero_ps();
        if (k + 1 < count) e1 = exp_negative(_mm512_sub_ps(_mm512_load_ps(column + (k + 1) * kQueryBlock), highest));
        sum = _mm512_add_ps(sum, _mm512_add_ps(e0, e1));
        _mm512_store_si512(weight_pairs + k / 2 * kQueryBlock + v * 16, pair_up(e0, e1));
      }
      const __m512 shrink = exp_negative(_mm512_sub_ps(largest[v], highest));
      largest[v] = highest;
      total[v] = _mm512_fmadd_ps(total[v], shrink, sum);
      for (int i = 0; first > 0 && i < kHeadSize; ++i) {
        float* const p = weighted + i * kQueryBlock + v * 16;
        _mm512_store_ps(p, _mm512_mul_ps(_mm512_load_ps(p), shrink));
      }
    }
    const std::uint32_t* const values = packed.values + first / 2 * kHeadSize;
    for (int i = 0; i < kHeadSize; i += 4) {
      accumulate_rows<4, true>(values + i, 1, kHeadSize, weight_pairs, (count + 1) / 2, weighted + i * kQueryBlock);
    }
  }
  alignas(64) float inverse[kQueryBlock];
  for (int v = 0; v < kVectors; ++v) _mm512_store_ps(inverse + v * 16, _mm512_div_ps(_mm512_set1_ps(1.0f), total[v]));
  for (int q = 0; q < block.num_queries; ++q) {
    float* const out = block.output + q * block.output_stride;
    for (int i = 0; i < kHeadSize; ++i) out[i] = weighted[i * kQueryBlock + q] * inverse[q];
  }
}

}  // namespace stenod::compute::cpu
