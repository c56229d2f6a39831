#include "compute/types.h"

#include <bit>

namespace stenod::compute {

std::string_view compute_type_name(ComputeType type) {
  switch (type) {
    case ComputeType::kFloat32:
      return "f32";
    case ComputeType::kBFloat16:
      return "bf16";
    case ComputeType::kInt8:
      return "int8";
  }
  return "";
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 31u;
  const std::uint32_t mantissa = half & 1023u;
  if (exponent == 0) {  // zero and subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t bits = exponent == 31 ? 0x7f800000u : (exponent + 112) << 23;
  return std::bit_cast<float>(sign | bits | mantissa << 13);
}

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffffu);
  if (!(magnitude <= 0x1.fffffep+127f)) {  // infinity or NaN
    return static_cast<std::uint16_t>(sign | (magnitude != magnitude ? 0x7e00u : 0x7c00u));
  }
  if (magnitude >= 65520.0f) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x1p-14f) {  // subnormal: the addition rounds to a multiple of 2^-24
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(magnitude + 0.5f) & 0x7ffu));
  }
  std::uint32_t magnitude_bits = bits & 0x7fffffffu;
  magnitude_bits += 0xfffu + ((magnitude_bits >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((magnitude_bits >> 13) - (112u << 10)));
}

float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return 0x7fc0u;
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace stenod::compute
