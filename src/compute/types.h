#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace stenod::compute {

/// How weights are held and products are computed. Activations between operations are always float32.
enum class ComputeType {
  kFloat32,
  kBFloat16,  ///< weights and inputs rounded to bfloat16, sums in float32
  kInt8,      ///< weights per output channel, inputs per row quantised to 8 bits (7 without VNNI), exact int32 sums
};

std::string_view compute_type_name(ComputeType type);  ///< as --compute-type takes it: "f32", "bf16", "int8"

/// How an operation stores what later operations read again and again (keys and values).
enum class StorageType {
  kFloat32,
  kFloat16,
  kInt8,  ///< 8 bits an element and a float32 scale for each 64 of them; in a CrossCache only
};

/// Of one element; not of kInt8.
inline constexpr std::int64_t storage_bytes(StorageType type) { return type == StorageType::kFloat32 ? 4 : 2; }

/// float32 rows on the device: [rows, columns], `stride` elements from row to row.
struct ConstRows {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};

/// Where a product's rows go. Element (r, c) lies at r * row_stride + (c / 64) * block_stride + c % 64, so that a
/// matrix can be stored row by row (block_stride = 64) or attention head by attention head.
struct OutputRows {
  void* data = nullptr;
  StorageType type = StorageType::kFloat32;  ///< not kInt8
  std::int64_t row_stride = 0;
  std::int64_t block_stride = 64;
};

inline constexpr int kHeadSize = 64;  ///< of every Whisper model

/// gamma, beta: [columns] on the device; epsilon 1e-5.
struct LayerNorm {
  const float* gamma = nullptr;
  const float* beta = nullptr;
};

/// float16 on storage only; arithmetic is float32.
float half_to_float(std::uint16_t half);
std::uint16_t float_to_half(float value);  ///< round to nearest even
float bfloat16_to_float(std::uint16_t bits);
std::uint16_t float_to_bfloat16(float value);  ///< round to nearest even

/// Many at once, fast. Spans of equal size.
void halves_to_floats(std::span<const std::uint16_t> halves, std::span<float> floats);

}  // namespace stenod::compute
