#include "models/data_type.h"

#include <array>
#include <cstring>

namespace stenod::models {
namespace {

struct TypeProperties {
  std::string_view name;
  BlockSize block;
};

// In the order of DataType. The sizes of ggml's blocks: ggml/src/ggml-common.h in https://github.com/ggml-org/ggml.
constexpr std::array<TypeProperties, 14> kTypes = {{{"float32", {1, 4}},
                                                    {"float16", {1, 2}},
                                                    {"bfloat16", {1, 2}},
                                                    {"int8", {1, 1}},
                                                    {"q4_0", {32, 18}},
                                                    {"q4_1", {32, 20}},
                                                    {"q5_0", {32, 22}},
                                                    {"q5_1", {32, 24}},
                                                    {"q8_0", {32, 34}},
                                                    {"q2_K", {256, 84}},
                                                    {"q3_K", {256, 110}},
                                                    {"q4_K", {256, 144}},
                                                    {"q5_K", {256, 176}},
                                                    {"q6_K", {256, 210}}}};
static_assert(kTypes.size() == static_cast<std::size_t>(DataType::kQ6K) + 1);

const TypeProperties& properties(DataType type) { return kTypes[static_cast<std::size_t>(type)]; }

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

std::string_view data_type_name(DataType type) { return properties(type).name; }

BlockSize block_size(DataType type) { return properties(type).block; }

bool is_float(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

std::size_t data_bytes(DataType type, std::size_t num_values) {
  const BlockSize block = block_size(type);
  return num_values / block.values * block.bytes;
}

std::optional<std::size_t> first_non_finite(const TensorView& tensor) {
  switch (tensor.type) {
    case DataType::kFloat32:
      return first_with_exponent<std::uint32_t>(tensor.bytes, 0x7f800000);
    case DataType::kFloat16:
      return first_with_exponent<std::uint16_t>(tensor.bytes, 0x7c00);
    case DataType::kBFloat16:
      return first_with_exponent<std::uint16_t>(tensor.bytes, 0x7f80);
    default:
      return std::nullopt;
  }
}

}  // namespace stenod::models
