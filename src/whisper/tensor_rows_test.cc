#include "whisper/tensor_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "compute/types.h"
#include "models/data_type.h"

namespace stenod::whisper {
namespace {

using models::DataType;
using models::TensorView;

struct Expected {
  DataType type;
  std::vector<std::size_t> halves;  ///< where a block's float16 numbers lie
  std::vector<float> values;        ///< numbers 0, 1, 17 and the last of row 3
  const char* sha256;               ///< of all numbers
};

// Dequantised by the Python package gguf 0.19.0 (gguf.quants.dequantize), which ggml's authors publish.
const Expected kExpected[] = {
    {DataType::kQ4_0,
     {0},
     {-0.0006399154663085938f, 0.0003999471664428711f, 7.998943328857422e-05f, 6.955862045288086e-05f},
     "503305124154106aa29f33409b5d9cd8feca94d7526d8bd98e202796136daf6f"},
    {DataType::kQ4_1,
     {0, 2},
     {0.01385498046875f, 0.007411956787109375f, 0.020298004150390625f, 0.0017135143280029297f},
     "8c5e26afddf86237cbdbef6142025be60eaf5581af8680b97eacae0fe007ae7b"},
    {DataType::kQ5_0,
     {0},
     {0.845947265625f, 0.281982421875f, -0.56396484375f, -1.25347900390625f},
     "45d0a981b2b5479227f18c34a2363d2b8361066728aa8a5c8e6519611043344a"},
    {DataType::kQ5_1,
     {0, 2},
     {0.13370037078857422f, 0.2669095993041992f, 0.3113126754760742f, 1.219268798828125f},
     "8a8024bd0500fdebed8a2f41c70374cbbcd3388f6e6b78a72508a6038ef871cc"},
    {DataType::kQ8_0,
     {0},
     {-1.5897293090820312f, -1.9755859375f, -0.0308685302734375f, -0.0032039880752563477f},
     "5487412578334a6deb12ee94b26a94a7e6ba34cfc7a69355597e2f297689fba1"},
    {DataType::kQ2K,
     {80, 82},
     {-1.4731788635253906f, -1.4689407348632812f, -1.4615240097045898f, -0.014133453369140625f},
     "01c456eb69bb46efd99fbfc47d661c048e16b7c5b27f4c2a5827019dbedd7e10"},
    {DataType::kQ3K,
     {108},
     {12.3779296875f, -24.755859375f, 2.4755859375f, 0.570098876953125f},
     "6f5508a03d75f883418f074795821eec4aa01bd2201e533f0f51fd979b54ad5a"},
    {DataType::kQ4K,
     {0, 2},
     {33.1611328125f, 51.583984375f, 33.1611328125f, -1.2055797576904297f},
     "b803ce945d0a420ace9da98522f51cccb1d042c199e7de84e06251b019b54ca4"},
    {DataType::kQ5K,
     {0, 2},
     {858.06396484375f, 1863.61083984375f, 1297.99072265625f, 6.84912109375f},
     "e89b8a14b3b6ff0262f22bcd1bdb087d94d4d8f5a509173ac67be2b82b0860f9"},
    {DataType::kQ6K,
     {208},
     {8.875732421875f, -12.86981201171875f, -1.8003616333007812f, 354.8133544921875f},
     "b7a7b802d201fb431ec4b960581e5205e7ff9a20e4e089e5bb06ba461c353ff5"},
};

/// Bytes of which every bit counts, but for the float16 numbers, which stay below 2.
std::vector<std::byte> blocks(const Expected& expected, std::size_t count) {
  const std::size_t block_bytes = models::block_size(expected.type).bytes;
  std::vector<std::byte> bytes(count * block_bytes);
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    state = state * 1664525 + 1013904223;
    bytes[i] = static_cast<std::byte>(state >> 24);
    for (const std::size_t half : expected.halves) {
      if (i % block_bytes == half + 1) bytes[i] &= std::byte{0x3f};
    }
  }
  return bytes;
}

TEST(TensorRows, EveryBlockFormatIsGgmls) {
  for (const Expected& expected : kExpected) {
    SCOPED_TRACE(models::data_type_name(expected.type));
    // A byte off, as files have it.
    std::vector<std::byte> bytes = blocks(expected, 8);
    bytes.insert(bytes.begin(), std::byte{0});
    const std::size_t columns = 2 * models::block_size(expected.type).values;
    const TensorView tensor{
        expected.type, {4, static_cast<std::int64_t>(columns)}, std::span<const std::byte>(bytes).subspan(1), {}};
    const std::vector<float> all = read_all(tensor);
    ASSERT_EQ(all.size(), 4 * columns);
    std::vector<float> row(columns);
    read_row(tensor, 3, row);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), all.begin() + static_cast<std::ptrdiff_t>(3 * columns)));
    EXPECT_EQ((std::vector<float>{row[0], row[1], row[17], row.back()}), expected.values);
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(all))), expected.sha256);
  }
}

TEST(TensorRows, OtherTypes) {
  const float values[] = {1.5f, -2, 0.25f, 8, 0, -1};
  const auto check = [&](DataType type, const auto& stored, std::span<const std::byte> scales = {}) {
    const TensorView tensor{type, {2, 3}, std::as_bytes(std::span(stored)), scales};
    EXPECT_EQ(read_all(tensor), std::vector<float>(std::begin(values), std::end(values)));
    std::vector<float> row(3);
    read_row(tensor, 1, row);
    EXPECT_EQ(row, std::vector<float>(values + 3, values + 6));
  };
  check(DataType::kFloat32, values);
  std::vector<std::uint16_t> halves, brains;
  for (const float value : values) {
    halves.push_back(compute::float_to_half(value));
    brains.push_back(compute::float_to_bfloat16(value));
  }
  check(DataType::kFloat16, halves);
  check(DataType::kBFloat16, brains);
  const std::int8_t bytes[] = {12, -16, 2, 16, 0, -2};
  const float scales[] = {8, 2};
  check(DataType::kInt8, bytes, std::as_bytes(std::span(scales)));
}

}  // namespace
}  // namespace stenod::whisper
