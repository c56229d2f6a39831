#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "models/whisper_weights.h"

namespace stenod::models {

/// "float16", for messages.
std::string_view data_type_name(DataType type);

/// How values lie: `values` of them in `bytes` bytes. One value for all types but ggml's quantised ones.
struct BlockSize {
  std::size_t values = 0;
  std::size_t bytes = 0;
};
BlockSize block_size(DataType type);

/// Whether values lie one by one, as floating-point numbers.
bool is_float(DataType type);

/// The bytes of that many values. Precondition: a multiple of a block's.
std::size_t data_bytes(DataType type, std::size_t num_values);

/// The index of the first NaN or infinity, in row-major order; nothing if all values are finite, and for types that are
/// not floats. Reads every byte, so weights are not checked with it but where they are read anyway: when they are
/// packed, which refuses what is not finite.
std::optional<std::size_t> first_non_finite(const TensorView& tensor);

}  // namespace stenod::models
