#pragma once

// What stands between matrix products, vectorised with Highway for every instruction set and chosen at run time.
// All functions are pure, and their results for a row depend on that row alone. Pointers need no alignment.

#include <cstdint>
#include <span>

#include "compute/backend.h"
#include "compute/types.h"

namespace stenod::compute::cpu {

bool all_finite(std::span<const float> values);

struct QuantisedWeightRow {
  float scale;       ///< w = q * scale
  std::int32_t sum;  ///< of all q
};

/// Symmetric: q = round(w / scale), scale = max|w| / 127. Precondition: all finite.
QuantisedWeightRow quantise_weight_row(std::span<const float> values, std::int8_t* q);

struct QuantisedRow {
  float scale;              ///< x = (q - zero_point) * scale
  std::int32_t zero_point;  ///< in [0, max_q]
};

/// q = round(x / scale) + zero_point in [0, max_q], the range stretched over the row's minimum and maximum and zero,
/// which stays exact. `max_q` is 255, or 127 where products add pairs in 16 bits that must not saturate.
QuantisedRow quantise_row(std::span<const float> values, int max_q, std::uint8_t* q);

void convert_to_bfloat16(std::span<const float> values, std::uint16_t* out);
void convert_from_half(std::span<const std::uint16_t> values, float* out);

/// (x - mean) / sqrt(variance + 1e-5) * gamma + beta; in and out may be the same.
void layer_norm_row(std::span<const float> values, const LayerNorm& norm, float* out);

/// The end of a product: from sums of one panel to stored values, see LinearArgs.
struct ProductEnd {
  int rows = 0, columns = 0;
  const void* sums = nullptr;  ///< [rows, sums_stride] int32 where `scales` is set, else float32
  std::int64_t sums_stride = 0;
  const QuantisedRow* row_quantisation = nullptr;  ///< [rows]
  const float* scales = nullptr;                   ///< [columns]
  const float* column_sums = nullptr;              ///< [columns]: of scale * q
  const float* bias = nullptr;                     ///< [columns] or null
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  ///< element (0, 0) of the panel, or null
  std::int64_t residual_stride = 0;
  OutputRows output;           ///< of the whole product
  std::int64_t first_row = 0;  ///< the panel's place in it
  std::int64_t first_column = 0;
};
void finish_product(const ProductEnd& end);

/// Encoder attention of up to kQueryBlock queries of one head over all keys of its window, in float32. Scores of a
/// block of keys live in `scratch` alone (soft-max is taken online: Milakov and Gimelshein, arXiv 1805.02867).
inline constexpr int kQueryBlock = 64;
inline constexpr int kKeyBlock = 120;
inline constexpr int kAttentionScratchFloats = kHeadSize * kQueryBlock * 2 + kKeyBlock * kQueryBlock + 2 * kQueryBlock;
struct AttentionBlock {
  const float* queries = nullptr;  ///< [num_queries, 64]
  int num_queries = 0;             ///< at most kQueryBlock
  const float* keys = nullptr;     ///< [num_keys, 64]
  const float* values = nullptr;   ///< [num_keys, 64]
  std::int64_t num_keys = 0;
  float* output = nullptr;  ///< [num_queries, 64], rows output_stride apart
  std::int64_t output_stride = 0;
};
void attend_block(const AttentionBlock& block, float* scratch);

/// Rows of one head that attend to the same stored keys and values: those in the cells [64] that `cells` names, or the
/// first ones where it is null.
struct StoredAttention {
  const float* queries = nullptr;  ///< [num_rows, 64], query_stride apart
  std::int64_t query_stride = 0;
  int num_rows = 0;
  const void* keys = nullptr;
  const void* values = nullptr;
  const std::int32_t* cells = nullptr;
  StorageType storage = StorageType::kFloat32;
  std::int64_t num_keys = 0;  ///< at least 1
  float* weights = nullptr;   ///< scratch for kMaxStoredRows rows, weights_stride apart: num_keys rounded up to 16
  std::int64_t weights_stride = 0;
  float* output = nullptr;  ///< [num_rows, 64], output_stride apart
  std::int64_t output_stride = 0;
};
inline constexpr int kMaxStoredRows = 5;
void attend_stored(const StoredAttention& rows);

/// weights [num_keys]: what attend_stored() weighs its values with, of one row and without cells.
void attention_weights(const StoredAttention& row);

void store_row(const float* values, std::int64_t count, StorageType storage, void* out);

/// The instruction set that Highway chose, for instance "AVX3_DL".
const char* kernels_target();

}  // namespace stenod::compute::cpu
