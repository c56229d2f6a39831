#include "compute/types.h"

#include <bit>
#include <cmath>
#include <numeric>

#include "compute/cpu/kernels.h"
#include "compute/testing/compute_fixture.h"

namespace stenod::compute {
namespace {

class TypesTest : public ComputeFixture {};

/// What the bits of a half mean, by definition (IEEE 754 binary16).
double meaning_of_half(int bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::vector<std::uint16_t> all_16_bits() {
  std::vector<std::uint16_t> all(65536);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  return all;
}

TEST_F(TypesTest, HalvesMeanWhatTheyShould) {
  const std::vector<std::uint16_t> halves = all_16_bits();
  std::vector<float> floats(halves.size());
  halves_to_floats(halves, floats);
  std::vector<std::uint16_t> back(halves.size());
  cpu::store_row(floats.data(), static_cast<std::int64_t>(floats.size()), StorageType::kFloat16, back.data());
  for (const std::uint16_t half : halves) {
    const auto meaning = static_cast<float>(meaning_of_half(half));
    const float one = half_to_float(half);
    if (std::isnan(meaning)) {
      EXPECT_TRUE(std::isnan(one)) << half;
      EXPECT_TRUE(std::isnan(floats[half])) << half;
      EXPECT_GT(float_to_half(one) & 0x7fff, 0x7c00) << half;
      EXPECT_GT(back[half] & 0x7fff, 0x7c00) << half;
      continue;
    }
    EXPECT_EQ(std::bit_cast<std::uint32_t>(one), std::bit_cast<std::uint32_t>(meaning)) << half;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(floats[half]), std::bit_cast<std::uint32_t>(meaning)) << half;
    EXPECT_EQ(float_to_half(one), half);
    EXPECT_EQ(back[half], half);
  }
}

// Between two neighbours: just below the middle, the middle (to even), just above it.
TEST_F(TypesTest, FloatsRoundToTheNearestEvenHalf) {
  std::vector<float> floats;
  std::vector<std::uint16_t> expected;
  for (int sign : {0, 0x8000}) {
    for (int half = 0; half < 0x7c00; ++half) {
      const double low = meaning_of_half(half);
      const double high = half == 0x7bff ? 65536.0 : meaning_of_half(half + 1);
      const auto middle = static_cast<float>((low + high) / 2);  // exact: one bit more than a half has
      const float s = sign != 0 ? -1.0f : 1.0f;
      const auto add = [&](float value, int result) {
        floats.push_back(value * s);
        expected.push_back(static_cast<std::uint16_t>(result | sign));
      };
      add(std::nextafter(middle, 0.0f), half);
      add(middle, half % 2 == 0 ? half : half + 1);
      add(std::nextafter(middle, 1e9f), half + 1);
    }
  }
  for (const float huge : {65536.0f, 1e9f, 3e38f, INFINITY}) {
    floats.insert(floats.end(), {huge, -huge});
    expected.insert(expected.end(), {0x7c00, 0xfc00});
  }
  std::vector<std::uint16_t> halves(floats.size());
  cpu::store_row(floats.data(), static_cast<std::int64_t>(floats.size()), StorageType::kFloat16, halves.data());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(float_to_half(floats[i]), expected[i]) << floats[i];
    ASSERT_EQ(halves[i], expected[i]) << floats[i];
  }
}

TEST_F(TypesTest, BFloat16IsTheUpperHalfOfAFloatRoundedToEven) {
  std::vector<float> floats;
  std::vector<std::uint16_t> expected;
  for (const std::uint32_t upper : all_16_bits()) {
    const auto is_nan = [](std::uint32_t bits) { return (bits & 0x7fffffffu) > 0x7f800000u; };
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const std::uint32_t bits = upper << 16 | lower;
      const bool up = lower > 0x8000u || (lower == 0x8000u && upper % 2 == 1);
      floats.push_back(std::bit_cast<float>(bits));
      expected.push_back(static_cast<std::uint16_t>(is_nan(bits) ? 0x7fc0u : up ? upper + 1 : upper));
    }
    if (!is_nan(upper << 16)) {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(bfloat16_to_float(static_cast<std::uint16_t>(upper))), upper << 16);
    }
  }
  std::vector<std::uint16_t> converted(floats.size());
  cpu::convert_to_bfloat16(floats, converted.data());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(float_to_bfloat16(floats[i]), expected[i]) << std::hex << std::bit_cast<std::uint32_t>(floats[i]);
    ASSERT_EQ(converted[i], expected[i]) << std::hex << std::bit_cast<std::uint32_t>(floats[i]);
  }
}

TEST(ComputeTypeTest, HasNames) {
  EXPECT_EQ(compute_type_name(ComputeType::kFloat32), "f32");
  EXPECT_EQ(compute_type_name(ComputeType::kBFloat16), "bf16");
  EXPECT_EQ(compute_type_name(ComputeType::kInt8), "int8");
}

}  // namespace
}  // namespace stenod::compute
