#pragma once

namespace stenod::compute {

/// What one core can do at most, measured once (best of many short runs): what benchmarks are compared with.
/// A product counts as two operations an element, a multiplication and an addition.
double peak_float32_flops();  ///< fused multiply-adds that stay in registers
double peak_int8_ops();       ///< 64 rows times weights that stay in the core's own cache, by oneDNN
double peak_bfloat16_ops();   ///< the same; 0 where the machine has none

}  // namespace stenod::compute
