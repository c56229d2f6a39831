#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "compute/cpu/cpu_backend.h"
#include "compute/types.h"

namespace stenod::app {

/// Speeds in operations per second; a multiply-add is two. The best of many tries, so that other programs on the
/// machine disturb little.
struct ProductSpeed {
  compute::ComputeType type;
  double many_rows = 0;  ///< 64 rows: a block of the encoder, or many sequences at once
  double one_row = 0;    ///< one sequence alone; bounded by the memory that the weights are read from
  double peak = 0;       ///< registers alone, see compute::cpu::measure_peak()
};

/// Operations per second of a product [rows, 512] x [512, 2048] that took `time`.
double product_speed(std::int64_t rows, std::chrono::duration<double> time);

/// Products of Whisper base's largest layer, [rows, 512] x [512, 2048]. Takes about 0.3 s. Errors: kNotSupported when
/// the backend has no such products, kOutOfMemory.
Result<ProductSpeed> measure_product_speed(compute::cpu::CpuBackend& backend, compute::ComputeType type);

}  // namespace stenod::app
