// Every operation of the CPU back end against the plain reference.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "compute/reference/reference_backend.h"
#include "compute/testing/compute_fixture.h"

namespace stenod::compute {
namespace {

/// How far results may be from the reference's where both have variance 1. The reference rounds inputs and
/// weights as the type does, so this allows for float32 sums, and for inputs that float32 rounds to the other
/// neighbour.
struct Tolerance {
  ComputeType type;
  double product;
};
constexpr Tolerance kTolerances[] = {
    {ComputeType::kFloat32, 2e-5},
    {ComputeType::kBFloat16, 2e-3},
    {ComputeType::kInt8, 1e-2},
};
constexpr double kAttentionTolerance = 2e-5;         ///< float32
constexpr double kReducedAttentionTolerance = 4e-3;  ///< weights as bfloat16: 2^-9 of values up to 1.74
constexpr double kHalfPrecision = 0x1p-10;           ///< of one place more than rounding, as sums differ

double tolerance(ComputeType type) { return kTolerances[static_cast<std::size_t>(type)].product; }

/// A matrix of either storage type, filled with values that no operation computes.
class Matrix {
 public:
  Matrix(std::int64_t elements, StorageType type)
      : type_(type), bytes_(static_cast<std::size_t>(elements * storage_bytes(type))) {
    for (std::int64_t i = 0; i < elements; ++i) set(i, 77.0f);
  }
  Matrix(std::span<const float> values, StorageType type) : Matrix(static_cast<std::int64_t>(values.size()), type) {
    for (std::size_t i = 0; i < values.size(); ++i) set(static_cast<std::int64_t>(i), values[i]);
  }

  void* data() { return bytes_.data(); }
  float* floats() { return reinterpret_cast<float*>(bytes_.data()); }
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()) / storage_bytes(type_); }
  float get(std::int64_t i) const {
    if (type_ == StorageType::kFloat32) return at<float>(i);
    return half_to_float(at<std::uint16_t>(i));
  }
  bool is_half() const { return type_ == StorageType::kFloat16; }

 private:
  template <typename T>
  T at(std::int64_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
    return value;
  }
  void set(std::int64_t i, float value) {
    if (type_ == StorageType::kFloat32) {
      std::memcpy(bytes_.data() + i * 4, &value, 4);
    } else {
      const std::uint16_t half = float_to_half(value);
      std::memcpy(bytes_.data() + i * 2, &half, 2);
    }
  }

  StorageType type_;
  std::vector<std::byte> bytes_;
};

/// Compares whole matrices, so that what lies between and behind the results must be untouched.
void expect_near(const Matrix& got, const Matrix& want, double allowed) {
  ASSERT_EQ(got.size(), want.size());
  double worst = 0;
  std::int64_t worst_index = 0, num_bad = 0;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double wanted = want.get(i);
    const double error = std::abs(got.get(i) - wanted) - (got.is_half() ? std::abs(wanted) * kHalfPrecision : 0);
    if (!(error <= allowed)) ++num_bad;  // also if not a number
    if (!(error <= worst)) {
      worst = error;
      worst_index = i;
    }
  }
  EXPECT_EQ(num_bad, 0) << "largest error " << worst << " at " << worst_index << ": " << got.get(worst_index)
                        << ", not " << want.get(worst_index);
}

class OpsTest : public ComputeFixture {
 protected:
  void SetUp() override {
    ComputeFixture::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    cpu_ = make_cpu_backend(2);
    reference_ = make_reference_backend(max_quantised());
  }

  Backend& cpu() { return *cpu_; }
  Backend& reference() { return *reference_; }
  std::vector<Backend*> both() { return {cpu_.get(), reference_.get()}; }

 private:
  std::unique_ptr<Backend> cpu_, reference_;
};

struct LinearCase {
  std::int64_t inputs, outputs;
  std::vector<std::int64_t> rows;
  bool norm = false, bias = false, gelu = false;
  enum { kNone, kApart, kInPlace } residual = kNone;
  bool head_major = false;
  StorageType storage = StorageType::kFloat32;
  std::int64_t input_stride = 0;  ///< 0: inputs
};

class LinearTest : public OpsTest, public ::testing::WithParamInterface<ComputeType> {
 protected:
  void SetUp() override {
    OpsTest::SetUp();
    if (!IsSkipped() && !has(GetParam()))
      GTEST_SKIP() << isa_name(isa()) << " has no " << compute_type_name(GetParam());
  }

  void check(const LinearCase& c) {
    const std::vector<float> bias = random_values(c.bias ? c.outputs : 0, 3);
    const std::vector<float> gamma = random_values(c.inputs, 4), beta = random_values(c.inputs, 5, 0.3f);
    const LayerNorm norm = {gamma.data(), beta.data()};
    std::vector<std::unique_ptr<PackedLinear>> weights;
    for (Backend* backend : both()) {
      auto packed = backend->pack(random_weights(c.outputs, c.inputs, bias), GetParam());
      ASSERT_TRUE(packed.ok()) << packed.error().message;
      weights.push_back(std::move(packed).value());
    }
    const std::int64_t stride = c.input_stride != 0 ? c.input_stride : c.inputs;
    for (const std::int64_t rows : c.rows) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << c.inputs << " to " << c.outputs);
      const std::vector<float> input = random_values((rows - 1) * stride + c.inputs, 1);
      const std::int64_t padded = c.outputs + (c.head_major || c.residual == LinearCase::kInPlace ? 0 : 5);
      const std::vector<float> residual = random_values(rows * padded, 2);
      std::vector<Matrix> outputs;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        Matrix& output = c.residual == LinearCase::kInPlace ? outputs.emplace_back(residual, c.storage)
                                                            : outputs.emplace_back(rows * padded, c.storage);
        LinearArgs args;
        args.input = {input.data(), rows, c.inputs, stride};
        if (c.norm) args.norm = &norm;
        args.weights = weights[i].get();
        args.activation = c.gelu ? Activation::kGelu : Activation::kNone;
        if (c.residual != LinearCase::kNone) {
          args.residual = c.residual == LinearCase::kApart ? residual.data() : output.floats();
          args.residual_stride = padded;
        }
        args.output = {output.data(), c.storage, padded, 64};
        if (c.head_major) args.output = {output.data(), c.storage, 64, rows * 64};
        both()[i]->linear(args);
      }
      expect_near(outputs[0], outputs[1], tolerance(GetParam()));
    }
  }
};

TEST_P(LinearTest, EveryNumberOfRows) {
  check({.inputs = 384, .outputs = 384, .rows = {1, 2, 3, 5, 16, 33, 64, 65, 200}});
}

TEST_P(LinearTest, EveryNumberOfRowsWithAllThatCanBeAdded) {
  check({.inputs = 384,
         .outputs = 384,
         .rows = {1, 2, 3, 5, 16, 33, 64, 65, 200},
         .norm = true,
         .bias = true,
         .gelu = true,
         .residual = LinearCase::kInPlace});
}

TEST_P(LinearTest, EveryCombinationOfWhatCanBeAdded) {
  for (int bits = 0; bits < 8; ++bits) {
    for (const auto residual : {LinearCase::kNone, LinearCase::kApart, LinearCase::kInPlace}) {
      SCOPED_TRACE(::testing::Message() << "combination " << bits << ", residual " << residual);
      LinearCase c = {.inputs = 128, .outputs = 192, .rows = {1, 3, 65}};
      c.norm = bits & 1;
      c.bias = bits & 2;
      c.gelu = bits & 4;
      c.residual = residual;
      check(c);
    }
  }
}

TEST_P(LinearTest, TheOddWidthOfTheVocabulary) { check({.inputs = 384, .outputs = 51865, .rows = {1, 3}}); }

TEST_P(LinearTest, WidthsThatAreNoMultipleOfAnything) {
  for (const std::int64_t outputs : {1, 9, 63, 65, 201}) {
    check({.inputs = 70,
           .outputs = outputs,
           .rows = {1, 5, 66},
           .norm = true,
           .bias = true,
           .residual = LinearCase::kApart});
    check({.inputs = 70,
           .outputs = outputs,
           .rows = {2},
           .residual = LinearCase::kApart,
           .storage = StorageType::kFloat16});
  }
}

TEST_P(LinearTest, ConvolutionsReadOverlappingRows) {
  check({.inputs = 240, .outputs = 384, .rows = {1, 64, 200}, .bias = true, .gelu = true, .input_stride = 160});
  check({.inputs = 3 * 384, .outputs = 384, .rows = {2, 65}, .bias = true, .gelu = true, .input_stride = 2 * 384});
}

TEST_P(LinearTest, QueriesKeysAndValuesGoHeadByHead) {
  check({.inputs = 512, .outputs = 3 * 512, .rows = {1, 65}, .norm = true, .bias = true, .head_major = true});
  check({.inputs = 512,
         .outputs = 2 * 512,
         .rows = {33},
         .bias = true,
         .head_major = true,
         .storage = StorageType::kFloat16});
}

TEST_P(LinearTest, HalfStorage) {
  check({.inputs = 384, .outputs = 384, .rows = {1, 5, 64}, .bias = true, .storage = StorageType::kFloat16});
  check({.inputs = 384,
         .outputs = 384,
         .rows = {3},
         .gelu = true,
         .residual = LinearCase::kApart,
         .storage = StorageType::kFloat16});
}

TEST_P(LinearTest, ShapesOfTheModels) {
  check({.inputs = 384, .outputs = 4 * 384, .rows = {2, 65}, .norm = true, .bias = true, .gelu = true});
  check({.inputs = 4 * 384, .outputs = 384, .rows = {2, 65}, .bias = true, .residual = LinearCase::kInPlace});
  check({.inputs = 512, .outputs = 512, .rows = {5, 65}, .bias = true});
  check({.inputs = 512, .outputs = 4 * 512, .rows = {1, 33}, .norm = true, .bias = true, .gelu = true});
  check({.inputs = 4 * 512, .outputs = 512, .rows = {1, 33}, .bias = true, .residual = LinearCase::kInPlace});
  check({.inputs = 1280, .outputs = 1280, .rows = {3, 16}, .bias = true});
  check({.inputs = 1280, .outputs = 4 * 1280, .rows = {2}, .norm = true, .bias = true, .gelu = true});
  check({.inputs = 4 * 1280, .outputs = 1280, .rows = {5}, .bias = true, .residual = LinearCase::kInPlace});
}

TEST_P(LinearTest, NoRows) {
  const auto weights = cpu().pack(random_weights(64, 64), GetParam());
  ASSERT_TRUE(weights.ok());
  float untouched = 3;
  cpu().linear({.input = {nullptr, 0, 64, 64},
                .weights = weights->get(),
                .output = {&untouched, StorageType::kFloat32, 64, 64}});
  EXPECT_EQ(untouched, 3);
}

TEST_P(LinearTest, MlpFusedAndInTwoSteps) {
  constexpr std::int64_t kWidth = 384, kHidden = 4 * kWidth, kRows = 200;
  const std::vector<float> up_bias = random_values(kHidden, 3), down_bias = random_values(kWidth, 4);
  const std::vector<float> gamma = random_values(kWidth, 5), beta = random_values(kWidth, 6, 0.3f);
  const std::vector<float> input = random_values(kRows * kWidth, 7);
  const auto compute = [&](Backend& backend, std::int64_t num_rows) {
    const auto up = backend.pack(random_weights(kHidden, kWidth, up_bias), GetParam());
    const auto down = backend.pack(random_weights(kWidth, kHidden, down_bias), GetParam());
    EXPECT_TRUE(up.ok() && down.ok());
    Matrix rows(std::span<const float>(input).first(static_cast<std::size_t>(num_rows * kWidth)),
                StorageType::kFloat32);
    backend.mlp({rows.floats(), num_rows, {gamma.data(), beta.data()}, up->get(), down->get()});
    return rows;
  };
  const Matrix want = compute(reference(), kRows);
  // One thread fuses from 3 blocks of 64 rows on, two threads from 5 on.
  const auto one_thread = make_cpu_backend(1);
  const Matrix fused = compute(*one_thread, kRows);
  // With int8 a zero point just above or below a half moves all of a row's hidden values to other neighbours, which is
  // no fault of the row's, and rare.
  const auto num_rows_off = [&](const Matrix& got) {
    std::int64_t num_rows = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      double largest = 0;
      for (std::int64_t c = 0; c < kWidth; ++c) {
        largest = std::max(largest, std::abs(static_cast<double>(got.get(r * kWidth + c)) - want.get(r * kWidth + c)));
      }
      EXPECT_LT(largest, 4 * tolerance(GetParam())) << "row " << r;
      num_rows += largest > tolerance(GetParam()) ? 1 : 0;
    }
    return num_rows;
  };
  const std::int64_t allowed = GetParam() == ComputeType::kInt8 ? 2 : 0;
  EXPECT_LE(num_rows_off(fused), allowed);
  EXPECT_LE(num_rows_off(compute(cpu(), kRows)), allowed);
  const Matrix in_two_steps = compute(*one_thread, 70);
  for (std::int64_t i = 0; i < in_two_steps.size(); ++i) ASSERT_EQ(in_two_steps.get(i), fused.get(i)) << i;
}

TEST_P(LinearTest, HostileRowsDoNotCrashAndDoNotTouchOthers) {
  constexpr std::int64_t kInputs = 200, kOutputs = 130, kRows = 12;
  const auto weights = cpu().pack(random_weights(kOutputs, kInputs), GetParam());
  ASSERT_TRUE(weights.ok());
  const std::vector<float> gamma(kInputs, 1.0f), beta(kInputs, 0.0f);
  const LayerNorm norm = {gamma.data(), beta.data()};
  const std::vector<float> harmless = random_values(kRows * kInputs, 1);
  std::vector<float> hostile = harmless;
  const auto row = [&](std::int64_t r) {
    return std::span(hostile).subspan(static_cast<std::size_t>(r * kInputs), kInputs);
  };
  std::fill_n(row(1).begin(), kInputs, 0.0f);
  std::fill_n(row(3).begin(), kInputs, 2.5f);
  std::fill_n(row(4).begin(), kInputs, 1e-42f);
  std::fill_n(row(5).begin(), kInputs, std::numeric_limits<float>::quiet_NaN());
  for (const std::size_t i : {3, 199}) {
    row(6)[i] = std::numeric_limits<float>::infinity();
    row(7)[i] = -std::numeric_limits<float>::infinity();
    row(8)[i] = std::numeric_limits<float>::quiet_NaN();
    row(9)[i] = 1e30f;
    row(10)[i] = i == 3 ? std::numeric_limits<float>::max() : std::numeric_limits<float>::lowest();
  }
  for (const bool with_norm : {false, true}) {
    const auto compute = [&](const std::vector<float>& input) {
      std::vector<float> output(kRows * kOutputs);
      cpu().linear({.input = {input.data(), kRows, kInputs, kInputs},
                    .norm = with_norm ? &norm : nullptr,
                    .weights = weights->get(),
                    .activation = Activation::kGelu,
                    .output = {output.data(), StorageType::kFloat32, kOutputs, 64}});
      return output;
    };
    const std::vector<float> with = compute(hostile), without = compute(harmless);
    for (const std::int64_t r : {0, 2, 11}) {
      EXPECT_EQ(std::memcmp(&with[static_cast<std::size_t>(r * kOutputs)],
                            &without[static_cast<std::size_t>(r * kOutputs)], kOutputs * sizeof(float)),
                0)
          << "row " << r;
    }
    for (std::int64_t c = 0; c < kOutputs; ++c) {
      EXPECT_EQ(with[static_cast<std::size_t>(kOutputs + c)], 0.0f);  // a row of zeros
      EXPECT_TRUE(std::isfinite(with[static_cast<std::size_t>(4 * kOutputs + c)]));
      EXPECT_TRUE(with_norm || std::isfinite(with[static_cast<std::size_t>(9 * kOutputs + c)]));
      if (GetParam() != ComputeType::kInt8) continue;
      for (const std::int64_t r : {5, 6, 7, 8}) {  // what is not a number must not look like silence
        EXPECT_TRUE(std::isnan(with[static_cast<std::size_t>(r * kOutputs + c)])) << "row " << r;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearTest,
                         ::testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16, ComputeType::kInt8),
                         compute_type_test_name);

TEST_F(OpsTest, GeluIsCloseEverywhere) {
  // A product with the unit matrix, so that inputs reach the activation as they are.
  const LinearSource unit = {.outputs = 64, .inputs = 64, .read_row = [](std::int64_t row, std::span<float> values) {
                               std::fill(values.begin(), values.end(), 0.0f);
                               values[static_cast<std::size_t>(row)] = 1;
                             }};
  const auto weights = cpu().pack(unit, ComputeType::kFloat32);
  ASSERT_TRUE(weights.ok());
  std::vector<float> x(64 * 64), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (static_cast<float>(i) - 2048) / 128;  // -16 to 16
  cpu().linear({.input = {x.data(), 64, 64, 64},
                .weights = weights->get(),
                .activation = Activation::kGelu,
                .output = {y.data(), StorageType::kFloat32, 64, 64}});
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = x[i] / 2 * std::erfc(-x[i] / std::sqrt(2.0));
    EXPECT_NEAR(y[i], want, 1e-6 * std::max(1.0, std::abs(want))) << x[i];
  }
}

TEST_F(OpsTest, LayerNorm) {
  for (const std::int64_t columns : {1, 7, 64, 384, 1280, 1283}) {
    const std::int64_t rows = 67, stride = columns + 3;
    std::vector<float> input = random_values(rows * stride, 1);
    for (std::int64_t i = 0; i < columns; ++i) input[static_cast<std::size_t>(2 * stride + i)] += 100;  // far from zero
    const std::vector<float> gamma = random_values(columns, 2), beta = random_values(columns, 3);
    std::vector<Matrix> outputs;
    for (Backend* backend : both()) {
      Matrix& output = outputs.emplace_back(rows * columns + 5, StorageType::kFloat32);
      backend->layer_norm({input.data(), rows, columns, stride}, {gamma.data(), beta.data()}, output.floats());
    }
    expect_near(outputs[0], outputs[1], tolerance(ComputeType::kFloat32));
  }
}

/// The parameter: whether precision may be reduced, which machines without bfloat16 ignore.
class EncoderAttentionTest : public OpsTest, public ::testing::WithParamInterface<bool> {
 protected:
  void check(int num_heads, std::int64_t total_rows, const std::vector<AttentionWindow>& windows, float scale) {
    SCOPED_TRACE(::testing::Message() << total_rows << " rows, scale " << scale);
    std::vector<float> qkv = random_values(3 * num_heads * total_rows * kHeadSize, 1);
    for (std::int64_t i = 0; i < 2 * num_heads * total_rows * kHeadSize; ++i) qkv[static_cast<std::size_t>(i)] *= scale;
    // The reference's queries, keys and values, rounded as the CPU's are.
    std::vector<float> rounded = qkv;
    if (GetParam() && isa() >= Isa::kAvx512Bf16) {
      for (float& value : rounded) value = bfloat16_to_float(float_to_bfloat16(value));
    }
    std::vector<Matrix> outputs;
    for (const auto& [backend, input] : {std::pair{&cpu(), &qkv}, {&reference(), &rounded}}) {
      Matrix& output = outputs.emplace_back(total_rows * num_heads * kHeadSize, StorageType::kFloat32);
      backend->encoder_attention({input->data(), total_rows, num_heads, windows, output.floats(), GetParam()});
    }
    // A score's own rounding error grows with its size, about scale^2, and the weight with it.
    const double rounding = kAttentionTolerance * std::max(1.0f, scale * scale / 4);
    expect_near(outputs[0], outputs[1], rounding + (GetParam() ? kReducedAttentionTolerance : 0));
  }

  static double attention_tolerance() { return GetParam() ? kReducedAttentionTolerance : kAttentionTolerance; }
};

TEST_P(EncoderAttentionTest, WindowsOfManyLengths) {
  // With rows between windows that belong to none.
  check(3, 500, {{0, 1}, {2, 3}, {5, 64}, {69, 65}, {140, 333}, {473, 20}}, 1);
  check(2, 260, {{0, 128}, {128, 129}}, 1);
}

TEST_P(EncoderAttentionTest, AWholeWindow) { check(1, 1500, {{0, 1500}}, 1); }

TEST_P(EncoderAttentionTest, LargeScores) {
  check(1, 333, {{0, 333}}, 4);
  check(1, 200, {{0, 200}}, 15);  // scores of some hundreds
  check(1, 200, {{0, 200}}, 0.01f);
}

TEST_P(EncoderAttentionTest, NoWindows) { check(1, 4, {}, 1); }

// Where exact answers are known: all scores equal, or one by far the largest, however large.
TEST_P(EncoderAttentionTest, ScoresOfAnySize) {
  constexpr std::int64_t kRows = 130;
  for (const float query : {0.0f, 1e-20f, 1.0f, 1e10f, 1e35f, -1e35f}) {
    std::vector<float> qkv(3 * kRows * kHeadSize);
    std::fill_n(qkv.begin(), kRows * kHeadSize, query / kHeadSize);
    std::fill_n(qkv.begin() + kRows * kHeadSize, kRows * kHeadSize, 1.0f);
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (int i = 0; i < kHeadSize; ++i)
        qkv[static_cast<std::size_t>((2 * kRows + r) * kHeadSize + i)] = static_cast<float>(r);
    }
    std::vector<float> output(kRows * kHeadSize);
    const AttentionWindow window = {0, kRows};
    cpu().encoder_attention({qkv.data(), kRows, 1, {&window, 1}, output.data(), GetParam()});
    for (const float value : output) ASSERT_NEAR(value, (kRows - 1) / 2.0, kRows * attention_tolerance()) << query;
    // One key aligned with the query among keys against it.
    for (std::int64_t r = 0; r < kRows; ++r) {
      const float sign = (r == 77) == (query >= 0) ? 1.0f : -1.0f;
      std::fill_n(qkv.begin() + (kRows + r) * kHeadSize, kHeadSize, sign);
    }
    if (std::abs(query) < 1e3f) continue;
    cpu().encoder_attention({qkv.data(), kRows, 1, {&window, 1}, output.data(), GetParam()});
    for (const float value : output) ASSERT_NEAR(value, 77, 77 * attention_tolerance()) << query;
  }
}

TEST_P(EncoderAttentionTest, AHostileQueryDoesNotTouchOthers) {
  constexpr std::int64_t kRows = 100;
  std::vector<float> qkv = random_values(3 * kRows * kHeadSize, 1);
  const AttentionWindow window = {0, kRows};
  std::vector<float> clean(kRows * kHeadSize), hit(kRows * kHeadSize);
  cpu().encoder_attention({qkv.data(), kRows, 1, {&window, 1}, clean.data(), GetParam()});
  qkv[5 * kHeadSize + 3] = std::numeric_limits<float>::quiet_NaN();
  qkv[70 * kHeadSize] = std::numeric_limits<float>::infinity();
  cpu().encoder_attention({qkv.data(), kRows, 1, {&window, 1}, hit.data(), GetParam()});
  for (std::int64_t r = 0; r < kRows; ++r) {
    if (r == 5 || r == 70) continue;
    EXPECT_EQ(std::memcmp(&clean[static_cast<std::size_t>(r * kHeadSize)],
                          &hit[static_cast<std::size_t>(r * kHeadSize)], kHeadSize * sizeof(float)),
              0)
        << r;
  }
}

// Tasks of all windows and heads are shared out among threads: what one has packed must not be used for
// another.
TEST_P(EncoderAttentionTest, AWindowIsTheSameAmongOthers) {
  constexpr std::int64_t kRows = 600;
  constexpr int kHeads = 3;
  const std::vector<float> qkv = random_values(3 * kHeads * kRows * kHeadSize, 1);
  const std::vector<AttentionWindow> windows = {{0, 129}, {129, 64}, {193, 200}, {393, 1}, {394, 206}};
  std::vector<float> together(kRows * kHeads * kHeadSize), apart(together.size());
  const auto one_thread = make_cpu_backend(1), many_threads = make_cpu_backend(5);
  many_threads->encoder_attention({qkv.data(), kRows, kHeads, windows, together.data(), GetParam()});
  for (const AttentionWindow& window : windows) {
    one_thread->encoder_attention({qkv.data(), kRows, kHeads, {&window, 1}, apart.data(), GetParam()});
  }
  EXPECT_EQ(together, apart);
}

INSTANTIATE_TEST_SUITE_P(Precision, EncoderAttentionTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "reduced" : "float32"; });

class CachedAttentionTest : public OpsTest, public ::testing::WithParamInterface<StorageType> {};

TEST_P(CachedAttentionTest, SequencesOfManyLengths) {
  constexpr int kHeads = 3;
  constexpr std::int64_t kWidth = kHeads * kHeadSize, kMaxKeys = 448, kHeadStride = (kMaxKeys + 4) * kHeadSize;
  for (const float scale : {1.0f, 4.0f}) {
    Matrix keys(random_values(kHeads * kHeadStride, 1, scale), GetParam());
    Matrix values(random_values(kHeads * kHeadStride, 2), GetParam());
    const std::vector<float> queries = random_values(16 * (kWidth + 7), 3, scale);
    const auto sequence = [&](std::int64_t first_row, std::int64_t num_rows, std::int64_t num_keys) {
      return CachedAttention{first_row, num_rows, keys.data(), values.data(), kHeadStride, num_keys};
    };
    const std::vector<CachedAttention> sequences = {sequence(0, 1, 1), sequence(1, 4, 1), sequence(5, 2, 16),
                                                    sequence(8, 3, 333), sequence(11, 4, 445)};
    std::vector<Matrix> outputs;
    for (Backend* backend : both()) {
      Matrix& output = outputs.emplace_back(16 * kWidth, StorageType::kFloat32);
      backend->cached_attention(
          {{queries.data(), 16, kWidth, kWidth + 7}, kHeads, GetParam(), sequences, output.floats()});
    }
    expect_near(outputs[0], outputs[1], kAttentionTolerance * std::max(1.0f, scale * scale / 4));
  }
}

// Cells in any order, some of them shared, give what the same keys give one after another.
TEST_P(CachedAttentionTest, KeysMayLieInAnyCells) {
  constexpr int kHeads = 2;
  constexpr std::int64_t kWidth = kHeads * kHeadSize, kNumKeys = 37, kHeadStride = 64 * kHeadSize;
  Matrix keys(random_values(kHeads * kHeadStride, 1), GetParam());
  Matrix values(random_values(kHeads * kHeadStride, 2), GetParam());
  std::vector<std::int32_t> cells;
  for (std::int32_t i = 0; i < kNumKeys; ++i) cells.push_back((i * 29 + 5) % 64);
  cells[7] = cells[3];
  Matrix ordered_keys(std::vector<float>(kHeads * kHeadStride), GetParam());
  Matrix ordered_values(std::vector<float>(kHeads * kHeadStride), GetParam());
  const std::int64_t bytes = kHeadSize * storage_bytes(GetParam());
  for (std::int64_t head = 0; head < kHeads; ++head) {
    for (std::int64_t i = 0; i < kNumKeys; ++i) {
      const std::int64_t from = (head * 64 + cells[static_cast<std::size_t>(i)]) * bytes, to = (head * 64 + i) * bytes;
      for (const auto& [source, target] : {std::pair(&keys, &ordered_keys), std::pair(&values, &ordered_values)}) {
        std::memcpy(static_cast<std::byte*>(target->data()) + to, static_cast<std::byte*>(source->data()) + from,
                    static_cast<std::size_t>(bytes));
      }
    }
  }
  const std::vector<float> queries = random_values(3 * kWidth, 3);
  const std::vector<CachedAttention> scattered = {
      {0, 1, keys.data(), values.data(), kHeadStride, kNumKeys, cells.data()},
      {1, 2, keys.data(), values.data(), kHeadStride, kNumKeys - 1, cells.data()}};
  const std::vector<CachedAttention> in_order = {
      {0, 1, ordered_keys.data(), ordered_values.data(), kHeadStride, kNumKeys},
      {1, 2, ordered_keys.data(), ordered_values.data(), kHeadStride, kNumKeys - 1}};
  for (Backend* backend : both()) {
    Matrix expected(std::vector<float>(3 * kWidth), StorageType::kFloat32);
    Matrix actual(std::vector<float>(3 * kWidth), StorageType::kFloat32);
    const auto attend = [&](const std::vector<CachedAttention>& sequences, Matrix& output) {
      backend->cached_attention({{queries.data(), 3, kWidth, kWidth}, kHeads, GetParam(), sequences, output.floats()});
    };
    attend(in_order, expected);
    attend(scattered, actual);
    EXPECT_EQ(std::memcmp(expected.data(), actual.data(), 3 * kWidth * sizeof(float)), 0) << backend->name();
  }
}

TEST_P(CachedAttentionTest, AppendedRowsAreThereAndNothingElseIs) {
  constexpr int kHeads = 5;
  constexpr std::int64_t kHeadStride = 8 * kHeadSize;
  const std::vector<float> rows = random_values(2 * kHeads * kHeadSize, 1, 100);
  std::vector<Matrix> caches;
  for (Backend* backend : both()) {
    Matrix& cache = caches.emplace_back(2 * kHeads * kHeadStride, GetParam());
    auto* const bytes = static_cast<std::byte*>(cache.data());
    const std::int64_t vector_bytes = kHeadSize * storage_bytes(GetParam());
    const std::vector<AppendArgs> args = {
        {rows.data(), bytes + 3 * vector_bytes, kHeadStride, kHeads, GetParam()},
        {rows.data() + kHeads * kHeadSize, bytes + (kHeads * 8 + 7) * vector_bytes, kHeadStride, kHeads, GetParam()}};
    backend->append(args);
  }
  for (std::int64_t i = 0; i < caches[0].size(); ++i) ASSERT_EQ(caches[0].get(i), caches[1].get(i)) << i;
  EXPECT_NEAR(caches[0].get(3 * kHeadSize), rows[0], 0.1);
}

INSTANTIATE_TEST_SUITE_P(Storage, CachedAttentionTest, ::testing::Values(StorageType::kFloat32, StorageType::kFloat16),
                         [](const auto& test) { return test.param == StorageType::kFloat32 ? "float32" : "float16"; });

/// The audio's keys and values, of both back ends.
class CrossAttentionTest : public OpsTest, public ::testing::WithParamInterface<StorageType> {
 protected:
  static constexpr int kHeads = 3;
  static constexpr std::int64_t kWidth = kHeads * kHeadSize, kInputs = 64, kCapacity = 1500;

  struct Audio {
    Backend* backend;
    std::unique_ptr<PackedLinear> weights;
    std::vector<std::unique_ptr<Backend::Buffer>> buffers;

    /// A window's cache of `frames`, filled with the rows that follow from `seed`.
    CrossCache window(std::int64_t frames, std::uint64_t seed, float scale = 1, float behind = 0) {
      const CrossCache cache = empty();
      // What lay there before must not count, nor what lies behind.
      const std::vector<float> before(static_cast<std::size_t>(kCapacity * kInputs), behind);
      if (behind != 0) fill(before, cache);
      fill(random_values(frames * kInputs, seed, scale), cache);
      return cache;
    }
    CrossCache empty() {
      auto buffer = backend->allocate(backend->cross_cache_bytes(storage, kHeads, kCapacity));
      EXPECT_TRUE(buffer.ok());
      buffers.push_back(std::move(buffer).value());
      return {buffers.back()->data(), storage, kHeads, kCapacity};
    }
    void fill(const std::vector<float>& rows, const CrossCache& cache) const {
      backend->fill_cross_cache(
          {{rows.data(), static_cast<std::int64_t>(rows.size()) / kInputs, kInputs, kInputs}, weights.get(), cache});
    }
    StorageType storage;
  };

  Audio audio_on(Backend* backend) const {
    auto weights = backend->pack(random_weights(2 * kWidth, kInputs), ComputeType::kFloat32);
    EXPECT_TRUE(weights.ok());
    return {backend, std::move(weights).value(), {}, GetParam()};
  }

  /// Of values of variance 1. Rounding a query to 8 bits and a key to 7 moves scores of variance 1 by a hundredth.
  double tolerance(float scale) const {
    const double of_scores = std::max(1.0f, scale * scale / 4);
    return (GetParam() == StorageType::kInt8      ? 0.04
            : GetParam() == StorageType::kFloat16 ? 2e-3
                                                  : kAttentionTolerance) *
           of_scores;
  }
};

TEST_P(CrossAttentionTest, WindowsOfManyLengths) {
  for (const float scale : {1.0f, 3.0f}) {
    const std::vector<float> queries = random_values(16 * (kWidth + 7), 3, scale);
    std::vector<Matrix> outputs;
    for (Backend* backend : both()) {
      Audio audio = audio_on(backend);
      std::vector<CrossAttention> sequences;
      std::int64_t row = 0;
      for (const auto& [rows, frames] : std::vector<std::pair<std::int64_t, std::int64_t>>{
               {1, 1}, {2, 3}, {1, 16}, {3, 77}, {1, 250}, {5, 333}, {1, 1500}}) {
        sequences.push_back({row, rows, audio.window(frames, static_cast<std::uint64_t>(frames), 1, 50), frames});
        row += rows;
      }
      Matrix& output = outputs.emplace_back(16 * kWidth, StorageType::kFloat32);
      backend->cross_attention({{queries.data(), 16, kWidth, kWidth + 7}, sequences, output.floats()});
    }
    expect_near(outputs[0], outputs[1], tolerance(scale));
  }
}

TEST_P(CrossAttentionTest, ARowIsTheSameAloneAndAmongAny) {
  constexpr int kRows = 12;
  constexpr std::int64_t kNumKeys = 77;
  Audio audio = audio_on(&cpu());
  const CrossCache cache = audio.window(kNumKeys, 1);
  const std::vector<float> queries = random_values(kRows * kWidth, 3);
  const auto attend = [&](std::int64_t first_row, std::int64_t num_rows, std::vector<float>& output) {
    const CrossAttention sequence = {first_row, num_rows, cache, kNumKeys};
    cpu().cross_attention({{queries.data(), kRows, kWidth, kWidth}, {&sequence, 1}, output.data()});
  };
  std::vector<float> alone(kRows * kWidth);
  for (std::int64_t row = 0; row < kRows; ++row) attend(row, 1, alone);
  for (std::int64_t num_rows = 2; num_rows <= kRows; ++num_rows) {
    std::vector<float> together(alone.begin(), alone.end() - num_rows * kWidth);
    together.resize(alone.size());
    attend(kRows - num_rows, num_rows, together);
    EXPECT_EQ(alone, together) << num_rows;
  }
}

TEST_P(CrossAttentionTest, KeysAndValuesOfAnySize) {
  // Vectors of zeros, of one large element, and of tiny ones keep their own scales.
  std::vector<float> rows(5 * kInputs);
  rows[kInputs] = 1e4f;
  for (std::int64_t i = 2 * kInputs; i < 3 * kInputs; ++i) rows[static_cast<std::size_t>(i)] = 1e-4f;
  rows[3 * kInputs + 7] = -3;
  const std::vector<float> queries = random_values(kWidth, 3, 1e-3f);  // so that all weigh alike
  std::vector<Matrix> outputs;
  for (Backend* backend : both()) {
    Audio audio = audio_on(backend);
    const CrossCache cache = audio.empty();
    audio.fill(rows, cache);
    Matrix& output = outputs.emplace_back(kWidth, StorageType::kFloat32);
    const CrossAttention sequence = {0, 1, cache, 5};
    backend->cross_attention({{queries.data(), 1, kWidth, kWidth}, {&sequence, 1}, output.floats()});
  }
  // One value is 10^4 times a weight of the product, about 10^3; its weight about a third.
  expect_near(outputs[0], outputs[1], GetParam() == StorageType::kInt8 ? 15 : 1);
}

TEST_P(CrossAttentionTest, WhatIsNoNumberShows) {
  Audio audio = audio_on(&cpu());
  std::vector<float> rows = random_values(20 * kInputs, 1);
  rows[17 * kInputs + 3] = std::numeric_limits<float>::quiet_NaN();
  const CrossCache cache = audio.empty();
  audio.fill(rows, cache);
  const std::vector<float> queries = random_values(kWidth, 3);
  std::vector<float> output(kWidth);
  const CrossAttention whole = {0, 1, cache, 20}, before = {0, 1, cache, 17};
  cpu().cross_attention({{queries.data(), 1, kWidth, kWidth}, {&whole, 1}, output.data()});
  for (const float x : output) EXPECT_TRUE(std::isnan(x));
  cpu().cross_attention({{queries.data(), 1, kWidth, kWidth}, {&before, 1}, output.data()});
  for (const float x : output) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(CrossAttentionTest, WeightsOfQueriesAnywhere) {
  constexpr std::int64_t kNumKeys = 21;
  const std::vector<float> queries = random_values(6 * kHeadSize, 2);
  const std::vector<std::int32_t> rows = {4, 0, 4, 5};
  std::vector<float> gathered;
  for (const std::int32_t row : rows) {
    gathered.insert(gathered.end(), queries.begin() + row * kHeadSize, queries.begin() + (row + 1) * kHeadSize);
  }
  for (Backend* backend : both()) {
    Audio audio = audio_on(backend);
    const CrossCache cache = audio.window(kNumKeys, 1);
    std::vector<float> expected(4 * kNumKeys), actual(4 * kNumKeys);
    const CrossWeightsArgs in_order = {
        {gathered.data(), 4, kHeadSize, kHeadSize}, nullptr, cache, 1, kNumKeys, expected.data()};
    const CrossWeightsArgs scattered = {
        {queries.data(), 4, kHeadSize, kHeadSize}, rows.data(), cache, 1, kNumKeys, actual.data()};
    backend->cross_weights({&in_order, 1});
    backend->cross_weights({&scattered, 1});
    EXPECT_EQ(expected, actual) << backend->name();
  }
}

TEST_P(CrossAttentionTest, WeightsOfSeveralHeads) {
  for (const std::int64_t num_keys : {1, 2, 15, 16, 17, 333, 1500}) {
    const std::vector<float> queries = random_values(5 * 200, 2);
    std::vector<Matrix> outputs;
    for (Backend* backend : both()) {
      Audio audio = audio_on(backend);
      const CrossCache cache = audio.window(num_keys, 1, 1, 50);
      Matrix& output = outputs.emplace_back(8 * num_keys + 20, StorageType::kFloat32);
      const std::vector<CrossWeightsArgs> heads = {
          {{queries.data(), 5, kHeadSize, 200}, nullptr, cache, 0, num_keys, output.floats()},
          {{queries.data() + 64, 3, kHeadSize, 200}, nullptr, cache, 2, num_keys, output.floats() + 5 * num_keys}};
      backend->cross_weights(heads);
      double sum = 0;
      for (std::int64_t k = 0; k < num_keys; ++k) sum += output.get(k);
      EXPECT_NEAR(sum, 1, 1e-5);
    }
    expect_near(outputs[0], outputs[1], tolerance(1));
  }
}

std::string storage_name(const ::testing::TestParamInfo<StorageType>& info) {
  switch (info.param) {
    case StorageType::kFloat32:
      return "float32";
    case StorageType::kFloat16:
      return "float16";
    case StorageType::kInt8:
      break;
  }
  return "int8";
}

INSTANTIATE_TEST_SUITE_P(Storage, CrossAttentionTest,
                         ::testing::Values(StorageType::kFloat32, StorageType::kFloat16, StorageType::kInt8),
                         storage_name);

TEST_F(OpsTest, BuffersAreZeroedAlignedAndCopied) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{1000}}) {
    auto buffer = cpu().allocate(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*buffer)->data()) % 64, 0u);
    const auto* const data = (*buffer)->as<std::uint8_t>();
    EXPECT_EQ(std::count(data, data + bytes, 0), static_cast<std::ptrdiff_t>(bytes));
    std::vector<std::uint8_t> there(bytes + 1, 9), back(bytes + 1, 9);
    cpu().upload((*buffer)->data(), there.data(), bytes);
    EXPECT_TRUE(cpu().synchronize());
    cpu().download(back.data(), (*buffer)->data(), bytes);
    EXPECT_EQ(back, there);
  }
  for (const std::size_t bytes : {~std::size_t{0}, ~std::size_t{0} - 63, std::size_t{1} << 60}) {
    const auto buffer = cpu().allocate(bytes);
    ASSERT_FALSE(buffer.ok());
    EXPECT_EQ(buffer.error().code, ErrorCode::kOutOfMemory);
  }
}

}  // namespace
}  // namespace stenod::compute
