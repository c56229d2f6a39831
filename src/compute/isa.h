#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::compute {

/// Families of x86-64 instructions that the CPU back end has a path for, each including those before it.
enum class Isa {
  kAvx2,        ///< AVX2, FMA, F16C: the least that is supported
  kAvx512,      ///< AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  ///< and 8-bit dot products
  kAvx512Bf16,  ///< and bfloat16 dot products
  kAmx,         ///< and the int8 and bfloat16 tile units
};

std::string_view isa_name(Isa isa);  ///< "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"

/// Parses a name; "auto" is the best that the machine has. Error: kInvalidArgument.
Result<Isa> parse_isa(std::string_view name);

/// What this machine and its kernel offer. Error kNotSupported without AVX2.
Result<Isa> detect_isa();

/// Holds the whole process (oneDNN and our own kernels) to `max_isa`, or to what the machine has if that is less, and
/// returns what is in force. oneDNN takes this only once, before its first use: the first call decides, and a later
/// call with another value is the error kInvalidArgument. Thread-safe.
Result<Isa> limit_isa(Isa max_isa);

}  // namespace stenod::compute
