#include "models/tensor_check.h"

#include <cstring>

namespace stenod::models {
namespace {

/// A value is NaN or infinite exactly if all bits of its exponent are set.
template <typename Bits>
std::optional<std::size_t> first_with_exponent(std::span<const std::byte> bytes, Bits exponent) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Bits); ++i) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    if ((bits & exponent) == exponent) return i;
  }
  return std::nullopt;
}

}  // namespace

std::string_view data_type_name(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return "float32";
    case DataType::kFloat16:
      return "float16";
    case DataType::kBFloat16:
      return "bfloat16";
    case DataType::kInt8:
      return "int8";
  }
  return "unknown";
}

std::size_t data_type_size(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return 4;
    case DataType::kFloat16:
    case DataType::kBFloat16:
      return 2;
    case DataType::kInt8:
      return 1;
  }
  return 0;
}

std::optional<std::size_t> first_non_finite(const TensorView& tensor) {
  switch (tensor.type) {
    case DataType::kFloat32:
      return first_with_exponent<std::uint32_t>(tensor.bytes, 0x7f800000);
    case DataType::kFloat16:
      return first_with_exponent<std::uint16_t>(tensor.bytes, 0x7c00);
    case DataType::kBFloat16:
      return first_with_exponent<std::uint16_t>(tensor.bytes, 0x7f80);
    case DataType::kInt8:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace stenod::models
