#pragma once

#include "compute/isa.h"
#include "compute/types.h"

namespace stenod::compute::cpu {

/// What the cores can do at best, in operations (a multiply-add is two) per second: `num_threads` threads that at the
/// same time run nothing but the instructions that products of `type` are made of, on registers (or tiles) alone.
/// Measured, since neither the clock under such load nor the number of units can be asked for. Takes about 60 ms.
/// Precondition: the machine has `isa`, and at least kAvx512Bf16 for bfloat16.
double measure_peak(ComputeType type, Isa isa, int num_threads);

}  // namespace stenod::compute::cpu
