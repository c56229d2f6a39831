#include "whisper/tensor_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "compute/types.h"
#include "models/data_type.h"

namespace stenod::whisper {
namespace {

using models::DataType;
using models::TensorView;

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float load_half(const std::byte* bytes) { return compute::half_to_float(load<std::uint16_t>(bytes)); }

/// `count` bits of a byte from `shift` on.
int bits(std::byte byte, std::size_t shift, int count) {
  return (std::to_integer<int>(byte) >> shift) & ((1 << count) - 1);
}

// ggml's blocks: weight = scale * number (+ minimum). What lies where is defined by dequantize_row_* in
// https://github.com/ggml-org/ggml, src/ggml-quants.c. Numbers of four bits share bytes with those that come half a
// block (with K: 32 values) later, those of two bits with three others; further bits lie apart.

/// q4_0, q4_1, q5_0, q5_1: 32 numbers of 4 bits, the fifth bits in a word before them.
template <bool kHasMinimum, bool kHasFifthBit>
void read_nibbles(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const float minimum = kHasMinimum ? load_half(block + 2) : 0;
  const std::byte* const fifth = block + (kHasMinimum ? 4 : 2);
  const std::byte* const numbers = fifth + (kHasFifthBit ? 4 : 0);
  for (std::size_t i = 0; i < 32; ++i) {
    int number = bits(numbers[i % 16], i / 16 * 4, 4);
    if constexpr (kHasFifthBit) number |= bits(fifth[i / 8], i % 8, 1) << 4;
    if constexpr (kHasMinimum) {
      out[i] = scale * static_cast<float>(number) + minimum;
    } else {
      out[i] = scale * static_cast<float>(number - (kHasFifthBit ? 16 : 8));
    }
  }
}

/// q8_0: 32 signed bytes.
void read_bytes(const std::byte* block, float* out) {
  const float scale = load_half(block);
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(load<std::int8_t>(block + 2 + i)) * scale;
}

/// Where the two bits of number i of 256 lie: in a group of 128, byte i % 32, pair i / 32.
int two_bits(const std::byte* numbers, std::size_t i) {
  return bits(numbers[i / 128 * 32 + i % 32], i % 128 / 32 * 2, 2);
}

/// q2_K: 16 times 4 bits of scale and 4 of minimum; 256 numbers of 2 bits; scales of the scales and of the minima.
void read_q2_k(const std::byte* block, float* out) {
  const float scale = load_half(block + 80), minimum = load_half(block + 82);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::byte packed = block[i / 16];
    out[i] = scale * static_cast<float>(bits(packed, 0, 4)) * static_cast<float>(two_bits(block + 16, i)) -
             minimum * static_cast<float>(bits(packed, 4, 4));
  }
}

/// q3_K: 256 third bits, which mean + 0 where set and - 4 where not; 256 numbers of 2 bits; 16 scales of 6 bits; a
/// scale.
void read_q3_k(const std::byte* block, float* out) {
  const std::byte* const scales = block + 96;
  const float scale = load_half(block + 108);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t group = i / 16;
    const int low = bits(scales[group % 8], group / 8 * 4, 4), high = bits(scales[8 + group % 4], group / 4 * 2, 2);
    const int number = two_bits(block + 32, i) - (bits(block[i % 32], i / 32, 1) != 0 ? 0 : 4);
    out[i] = scale * static_cast<float>((low | high << 4) - 32) * static_cast<float>(number);
  }
}

/// q4_K, q5_K: two scales; 8 times 6 bits of scale and of minimum; the fifth bits; 256 numbers of 4 bits.
template <bool kHasFifthBit>
void read_q4_or_q5_k(const std::byte* block, float* out) {
  const std::byte* const packed = block + 4;
  const std::byte* const fifth = block + 16;
  const std::byte* const numbers = fifth + (kHasFifthBit ? 32 : 0);
  for (std::size_t group = 0; group < 8; ++group) {
    int scale = bits(packed[group], 0, 6), minimum = bits(packed[group % 4 + 4], 0, 6);
    if (group >= 4) {
      scale = bits(packed[group + 4], 0, 4) | bits(packed[group - 4], 6, 2) << 4;
      minimum = bits(packed[group + 4], 4, 4) | bits(packed[group], 6, 2) << 4;
    }
    const float factor = load_half(block) * static_cast<float>(scale);
    const float offset = load_half(block + 2) * static_cast<float>(minimum);
    for (std::size_t i = 0; i < 32; ++i) {
      int number = bits(numbers[group / 2 * 32 + i], group % 2 * 4, 4);
      if constexpr (kHasFifthBit) number |= bits(fifth[i], group, 1) << 4;
      out[group * 32 + i] = factor * static_cast<float>(number) - offset;
    }
  }
}

/// q6_K: 256 times the lower 4 bits, 256 times the upper 2, less 32; 16 signed scales; a scale.
void read_q6_k(const std::byte* block, float* out) {
  const float scale = load_half(block + 208);
  for (std::size_t i = 0; i < 256; ++i) {
    const int number = bits(block[i / 128 * 64 + i % 64], i % 128 / 64 * 4, 4) | two_bits(block + 128, i) << 4;
    out[i] = scale * static_cast<float>(load<std::int8_t>(block + 192 + i / 16)) * static_cast<float>(number - 32);
  }
}

using ReadBlock = void (*)(const std::byte* block, float* out);

/// Null for types that have no blocks.
ReadBlock block_reader(DataType type) {
  switch (type) {
    case DataType::kQ4_0:
      return read_nibbles<false, false>;
    case DataType::kQ4_1:
      return read_nibbles<true, false>;
    case DataType::kQ5_0:
      return read_nibbles<false, true>;
    case DataType::kQ5_1:
      return read_nibbles<true, true>;
    case DataType::kQ8_0:
      return read_bytes;
    case DataType::kQ2K:
      return read_q2_k;
    case DataType::kQ3K:
      return read_q3_k;
    case DataType::kQ4K:
      return read_q4_or_q5_k<false>;
    case DataType::kQ5K:
      return read_q4_or_q5_k<true>;
    case DataType::kQ6K:
      return read_q6_k;
    case DataType::kFloat32:
    case DataType::kFloat16:
    case DataType::kBFloat16:
    case DataType::kInt8:
      break;
  }
  return nullptr;
}

}  // namespace

void read_row(const TensorView& tensor, std::int64_t row, std::span<float> out) {
  const std::size_t first = static_cast<std::size_t>(row) * out.size();
  const std::byte* const bytes = tensor.bytes.data() + models::data_bytes(tensor.type, first);
  switch (tensor.type) {
    case DataType::kFloat32:
      std::memcpy(out.data(), bytes, out.size_bytes());
      return;
    case DataType::kFloat16: {
      // In pieces through the stack: rows are long, and reading them must not allocate.
      std::uint16_t halves[512];
      for (std::size_t i = 0; i < out.size(); i += std::size(halves)) {
        const std::size_t count = std::min(std::size(halves), out.size() - i);
        std::memcpy(halves, bytes + i * sizeof(std::uint16_t), count * sizeof(std::uint16_t));
        compute::halves_to_floats({halves, count}, out.subspan(i, count));
      }
      return;
    }
    case DataType::kBFloat16:
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = compute::bfloat16_to_float(load<std::uint16_t>(bytes + i * sizeof(std::uint16_t)));
      }
      return;
    case DataType::kInt8: {
      const auto scale = load<float>(tensor.scales.data() + static_cast<std::size_t>(row) * sizeof(float));
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(load<std::int8_t>(bytes + i)) / scale;
      return;
    }
    default: {
      const auto [num_values, num_bytes] = models::block_size(tensor.type);
      const ReadBlock read = block_reader(tensor.type);
      for (std::size_t i = 0; i < out.size() / num_values; ++i) read(bytes + i * num_bytes, &out[i * num_values]);
      return;
    }
  }
}

std::vector<float> read_all(const TensorView& tensor) {
  std::size_t count = 1;
  for (const std::int64_t n : tensor.shape) count *= static_cast<std::size_t>(n);
  std::vector<float> values(count);
  const std::size_t rows = tensor.type == DataType::kInt8 ? static_cast<std::size_t>(tensor.shape.at(0)) : 1;
  for (std::size_t r = 0; r < rows; ++r) {
    read_row(tensor, static_cast<std::int64_t>(r), std::span(values).subspan(r * (count / rows), count / rows));
  }
  return values;
}

}  // namespace stenod::whisper
