#pragma once

// Encoder attention with bfloat16 inputs and float32 sums and soft-max: what attend_block() (kernels.h) does, for
// machines with AVX512_BF16, and faster again with the tile unit of AMX. Only to be called where
// isa() >= Isa::kAvx512Bf16.

#include <cstddef>
#include <cstdint>

#include "compute/cpu/kernels.h"

namespace stenod::compute::cpu {

/// What multiplies: dot products of vectors (AVX512_BF16), or of tiles (AMX).
enum class Bf16Unit { kVectors, kTiles };

/// Keys and values of one head and window as the unit takes them: pairs of bfloat16 in words of 32 bits, the number of
/// keys rounded up to a tile's depth with zeros.
struct PackedKeysValues {
  Bf16Unit unit = Bf16Unit::kVectors;
  std::int64_t num_keys = 0;
  std::uint32_t* keys = nullptr;  ///< [keys][32 pairs of dimensions]
  /// Vectors: [pairs of keys][64 dimensions]. Tiles: [pairs of keys / 16][64 dimensions][16 pairs].
  std::uint32_t* values = nullptr;
};
inline constexpr std::int64_t kTilePairs = 16;  ///< in a tile's row
inline constexpr std::int64_t kTileDepth = 2 * kTilePairs;
/// Elements of each of `keys` and `values`.
constexpr std::int64_t packed_elements(std::int64_t num_keys) {
  return (num_keys + kTileDepth - 1) / kTileDepth * kTileDepth * (kHeadSize / 2);
}

/// Fills what `packed` points to. keys, values: [packed.num_keys, 64].
void pack_keys_values(const float* keys, const float* values, const PackedKeysValues& packed);

inline constexpr std::int64_t kBf16KeyBlock = 128;  ///< whose scores and weights stay in the cache
inline constexpr std::size_t kAttentionBf16ScratchBytes =
    sizeof(float) * kQueryBlock * (kHeadSize / 2 + kHeadSize + kBf16KeyBlock);

/// As attend_block(), with keys and values from `packed`; scratch of kAttentionBf16ScratchBytes, aligned to
/// 64 bytes.
void attend_block_bf16(const AttentionBlock& block, const PackedKeysValues& packed, void* scratch);

}  // namespace stenod::compute::cpu
