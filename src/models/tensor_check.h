#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "models/whisper_weights.h"

namespace stenod::models {

/// "float16", for messages.
std::string_view data_type_name(DataType type);

/// Bytes of one value.
std::size_t data_type_size(DataType type);

/// The index of the first NaN or infinity, in row-major order; nothing if all values are finite (integers always are).
/// Reads every byte, so weights are checked with it where they are read anyway: when they are converted.
std::optional<std::size_t> first_non_finite(const TensorView& tensor);

}  // namespace stenod::models
