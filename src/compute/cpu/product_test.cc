#include "compute/cpu/product.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "compute/cpu/kernels.h"
#include "compute/testing/compute_fixture.h"

namespace stenod::compute::cpu {
namespace {

class ProductTest : public ComputeFixture, public ::testing::WithParamInterface<std::int64_t> {};

struct AlignedFree {
  void operator()(void* p) const { std::free(p); }
};
template <typename T>
std::unique_ptr<T[], AlignedFree> aligned(std::size_t count) {
  auto* const p = static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64));
  std::fill_n(p, count, T{});
  return std::unique_ptr<T[], AlignedFree>(p);
}

/// Output channels of all the largest weight, all the smallest, and mixtures of both.
int extreme_weight(std::int64_t output, std::int64_t input) {
  switch (output % 5) {
    case 0:
      return 127;
    case 1:
      return -127;
    case 2:
      return input / 2 % 2 == 0 ? 127 : -127;
    case 3:
      return input % 2 == 0 ? 127 : -127;
    default:
      return (output * 7919 + input * 104729) % 11 < 5 ? 127 : -127;
  }
}

// Two products of 8 bits added in 16 saturate at 32767: what inputs are kept below 128 for where there is no
// VNNI.
TEST_P(ProductTest, Int8SumsAreExactAtTheExtremes) {
  const std::int64_t inputs = GetParam();
  constexpr std::int64_t kOutputs = 200;
  const LinearSource source = {
      .outputs = kOutputs, .inputs = inputs, .read_row = [](std::int64_t row, std::span<float> values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          values[i] = static_cast<float>(extreme_weight(row, static_cast<std::int64_t>(i)));
        }
      }};
  const auto matrix = PackedMatrix::create(source, ComputeType::kInt8, 1);
  ASSERT_TRUE(matrix.ok()) << matrix.error().message;
  const PackedMatrix& weights = **matrix;
  const int width = weights.panel_width();
  const auto block = aligned<std::uint8_t>(static_cast<std::size_t>(kBlockRows * inputs));
  const auto product = aligned<std::int32_t>(static_cast<std::size_t>(kBlockRows * width));
  const auto input = [&](int row, std::int64_t i) {
    if (row % 2 == 0) return max_quantised();
    return static_cast<int>((row * 31 + i * 17) % (max_quantised() + 1));
  };
  for (const int rows : {1, 2, 3, 5, 16, 17, 33, 64}) {
    for (int r = 0; r < rows; ++r) {
      for (std::int64_t i = 0; i < inputs; ++i) block[r * inputs + i] = static_cast<std::uint8_t>(input(r, i));
    }
    for (int panel = 0; panel < weights.num_panels(); ++panel) {
      weights.multiply(block.get(), rows, panel, product.get(), 0);
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < width; ++c) {
          const std::int64_t output = static_cast<std::int64_t>(panel) * width + c;
          std::int32_t expected = 0;
          for (std::int64_t i = 0; output < kOutputs && i < inputs; ++i)
            expected += input(r, i) * extreme_weight(output, i);
          ASSERT_EQ(product[r * width + c], expected) << rows << " rows, row " << r << ", output " << output;
        }
      }
    }
  }
  for (std::int64_t output = 0; output < kOutputs; ++output) {
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < inputs; ++i) sum += extreme_weight(output, i);
    EXPECT_FLOAT_EQ(weights.column_sums()[static_cast<std::size_t>(output)], static_cast<float>(sum));
    EXPECT_FLOAT_EQ(weights.scales()[static_cast<std::size_t>(output)], 1.0f);
  }
}

TEST_F(ComputeFixture, GeluOfQuantisedProductsIsCloseToItsDefinition) {
  constexpr int kColumns = 64;
  const std::vector<float> scales(kColumns, 1e-3f), column_sums(kColumns, 0.0f);
  const QuantisedRow row = {1.0f, 0};
  for (int first = -30'000; first < 30'000; first += kColumns) {
    std::vector<std::int32_t> sums(kColumns);
    for (int i = 0; i < kColumns; ++i) sums[static_cast<std::size_t>(i)] = first + i;
    std::vector<float> output(kColumns);
    ProductEnd end;
    end.rows = 1;
    end.columns = kColumns;
    end.sums = sums.data();
    end.sums_stride = kColumns;
    end.row_quantisation = &row;
    end.scales = scales.data();
    end.column_sums = column_sums.data();
    end.activation = Activation::kGelu;
    end.output = {output.data(), StorageType::kFloat32, kColumns};
    finish_product(end);
    for (int i = 0; i < kColumns; ++i) {
      const double x = 1e-3 * (first + i);
      ASSERT_NEAR(output[static_cast<std::size_t>(i)], x / 2 * (1 + std::erf(x / std::sqrt(2.0))),
                  6e-5 + 3e-6 * std::abs(x))
          << x;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Inputs, ProductTest, ::testing::Values(240, 512, 2048));

class RowIndependenceTest : public ComputeFixture,
                            public ::testing::WithParamInterface<std::tuple<ComputeType, std::int64_t>> {};

// The promise of Backend, which oneDNN itself doesn't give: it blocks the sums of products of few rows
// differently.
TEST_P(RowIndependenceTest, ARowIsTheSameAloneAndAmongAny) {
  const auto [type, inputs] = GetParam();
  if (!has(type)) GTEST_SKIP() << isa_name(isa()) << " has no " << compute_type_name(type);
  constexpr std::int64_t kRows = 200, kOutputs = 328;
  const auto backend = make_cpu_backend(2);
  const auto weights = backend->pack(random_weights(kOutputs, inputs), type);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  const std::vector<float> input = random_values(kRows * inputs, 1);

  const auto compute = [&](std::int64_t first, std::int64_t count) {
    std::vector<float> output(static_cast<std::size_t>(count * kOutputs));
    backend->linear({.input = {input.data() + first * inputs, count, inputs, inputs},
                     .weights = weights->get(),
                     .output = {output.data(), StorageType::kFloat32, kOutputs, 64}});
    return output;
  };
  std::vector<float> alone;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const std::vector<float> row = compute(r, 1);
    alone.insert(alone.end(), row.begin(), row.end());
  }
  for (const std::int64_t count : {2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 130, 200}) {
    for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1}, (kRows - count) / 2, kRows - count}) {
      if (first + count > kRows) continue;
      const std::vector<float> among = compute(first, count);
      std::int64_t num_different = 0;
      for (std::int64_t r = 0; r < count; ++r) {
        num_different +=
            std::memcmp(&among[static_cast<std::size_t>(r * kOutputs)],
                        &alone[static_cast<std::size_t>((first + r) * kOutputs)], kOutputs * sizeof(float)) != 0;
      }
      EXPECT_EQ(num_different, 0) << "of " << count << " rows from row " << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RowIndependenceTest,
                         ::testing::Combine(::testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16,
                                                              ComputeType::kInt8),
                                            ::testing::Values(240, 384, 512, 1536, 2048, 5120)),
                         [](const auto& test) {
                           return std::string(compute_type_name(std::get<0>(test.param))) + "_" +
                                  std::to_string(std::get<1>(test.param));
                         });

class PackTest : public ComputeFixture, public ::testing::WithParamInterface<ComputeType> {};

TEST_P(PackTest, RefusesWeightsThatAreNotFinite) {
  if (!has(GetParam())) GTEST_SKIP() << isa_name(isa()) << " has no " << compute_type_name(GetParam());
  const auto backend = make_cpu_backend(1);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t place : {0, 17, 64, 69}) {  // whole vectors, and the rest of the row
      LinearSource source = random_weights(100, 70);
      source.read_row = [&](std::int64_t row, std::span<float> values) {
        fill_random(values, 1);
        if (row == 66) values[place] = bad;
      };
      const auto weights = backend->pack(source, GetParam());
      ASSERT_FALSE(weights.ok()) << bad << " at " << place;
      EXPECT_EQ(weights.error().code, ErrorCode::kInvalidArgument);
      EXPECT_THAT(weights.error().message, ::testing::HasSubstr("row 66"));
    }
  }
}

TEST_P(PackTest, RefusesATypeThatTheMachineLacks) {
  const auto backend = make_cpu_backend(1);
  const auto weights = backend->pack(random_weights(64, 64), GetParam());
  ASSERT_EQ(weights.ok(), has(GetParam()));
  if (!weights.ok()) {
    EXPECT_EQ(weights.error().code, ErrorCode::kNotSupported);
  } else {
    EXPECT_EQ((*weights)->outputs(), 64);
    EXPECT_EQ((*weights)->inputs(), 64);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, PackTest,
                         ::testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16, ComputeType::kInt8),
                         compute_type_test_name);

}  // namespace
}  // namespace stenod::compute::cpu
