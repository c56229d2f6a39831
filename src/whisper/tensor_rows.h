#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/whisper_weights.h"

namespace stenod::whisper {

/// Row `row` of a tensor seen as [first dimension, everything else], as float32: one float a weight, whatever the file
/// has. `out` is as long as a row. Allocates nothing; any thread.
void read_row(const models::TensorView& tensor, std::int64_t row, std::span<float> out);

/// The whole tensor as float32.
std::vector<float> read_all(const models::TensorView& tensor);

}  // namespace stenod::whisper
