#pragma once

// Encoder attention with bfloat16 inputs and float32 sums and soft-max: attend_block() (kernels.h) for
// machines with AVX512_BF16, at about twice its speed. Only to be called where isa() >= Isa::kAvx512Bf16.

#include <cstddef>
#include <cstdint>

#include "compute/cpu/kernels.h"

namespace stenod::compute::cpu {

/// Keys and values of one head and window, in pairs of bfloat16 as the dot-product instruction takes them.
struct PackedKeysValues {
  std::uint32_t* keys = nullptr;    ///< [num_keys][32 pairs of dimensions]
  std::uint32_t* values = nullptr;  ///< [ceil(num_keys / 2) pairs of keys][64 dimensions]
  std::int64_t num_keys = 0;
};
inline constexpr std::int64_t kPackedKeyElements =
    kHeadSize / 2;  ///< each of `keys` and `values`, of an even number of keys

/// keys, values: [packed.num_keys, 64].
void pack_keys_values(const float* keys, const float* values, const PackedKeysValues& packed);

inline constexpr std::size_t kAttentionBf16ScratchBytes =
    sizeof(float) *
    (kHeadSize / 2 * kQueryBlock + kHeadSize * kQueryBlock + kKeyBlock * kQueryBlock + kKeyBlock / 2 * kQueryBlock);

/// As attend_block(), with keys and values from `packed`; scratch of kAttentionBf16ScratchBytes, aligned to
/// 64 bytes.
void attend_block_bf16(const AttentionBlock& block, const PackedKeysValues& packed, void* scratch);

}  // namespace stenod::compute::cpu
