#pragma once

// The decoder's attention to the audio with keys and values of 8 bits. Steps read them again and again, which costs
// more than the arithmetic: half the bytes of float16 take half the time.
//
// Keys, values and queries have 8 bits and a scale from the largest magnitude of the head's 64; soft-max weights times
// the values' scales have 8 bits and a scale for each block of 64 keys. Keys and weights are without sign (keys with an
// offset), and have 7 bits where there is no VNNI and pairs of products are summed in 16 bits. All sums of products are
// exact integers.

#include <cstddef>
#include <cstdint>

namespace stenod::compute::cpu {

/// One head's keys and values in a cache.
struct Int8Head {
  std::uint8_t* keys;   ///< [capacity / 16][16 groups of 4 dimensions][16 keys][4 dimensions]
  std::int8_t* values;  ///< [capacity / 4][64 dimensions][4 keys]
  float* key_scales;    ///< [capacity]
  float* value_scales;  ///< [capacity]
};

/// `capacity` is rounded up to whole blocks of 64 keys. Caches are aligned to 64 bytes.
std::size_t int8_head_bytes(std::int64_t capacity);
Int8Head int8_head(void* cache, int head, std::int64_t capacity);

/// Keys or values [first, first + num_rows) from rows of 64 that lie `stride` apart; `first` is a multiple of 16.
/// What is not a number shows in what attends to it.
void store_int8_keys(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head);
void store_int8_values(const float* rows, std::int64_t stride, int num_rows, std::int64_t first, const Int8Head& head);

/// Rows of one head that attend to its first `num_keys` keys. A row's result is the same alone and among others.
struct Int8Attention {
  const float* queries = nullptr;  ///< [num_rows, 64], query_stride apart
  std::int64_t query_stride = 0;
  int num_rows = 0;
  Int8Head head;
  std::int64_t num_keys = 0;  ///< at least 1
  float* scratch = nullptr;   ///< int8_attention_scratch_floats(num_keys), aligned to 64 bytes
  float* output = nullptr;    ///< [num_rows, 64], output_stride apart
  std::int64_t output_stride = 0;
};
std::size_t int8_attention_scratch_floats(std::int64_t num_keys);
void attend_int8(const Int8Attention& rows);

/// weights [num_keys]: what attend_int8() weighs its values with, before they are rounded; of one row.
void int8_weights(const Int8Attention& row, float* weights);

}  // namespace stenod::compute::cpu
