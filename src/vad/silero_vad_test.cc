#include "vad/silero_vad.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "base/file.h"
#include "vad/silero_kernels.h"
#include "vad/testing/onnx_writer.h"

namespace stenod::vad {
namespace {

constexpr std::size_t kChunk = SileroVad::kChunkSamples;

std::vector<float> random_values(std::size_t count, float scale, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// Runs a test once for each instruction set that this machine has.
class EachTarget : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

std::vector<std::int64_t> targets() {
  std::vector<std::int64_t> result;
  for (const std::int64_t target : {HWY_AVX3, HWY_AVX2, HWY_EMU128}) {
    if (target == HWY_EMU128 || (hwy::SupportedTargets() & target) != 0) result.push_back(target);
  }
  return result;
}

std::string target_name(const ::testing::TestParamInfo<std::int64_t>& info) { return hwy::TargetName(info.param); }

// --- Kernels

class SileroKernels : public EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, SileroKernels, ::testing::ValuesIn(targets()), target_name);

TEST_P(SileroKernels, ProductIsThatOfTheReference) {
  for (const std::size_t columns : {1, 16, 17, 80, 130}) {
    const std::size_t rows = 23;
    const std::vector<float> transposed = random_values(columns * rows, 1, 1);
    const PackedMatrix matrix(transposed, rows, columns);
    const std::size_t stride = matrix.padded_columns();
    ASSERT_EQ(stride % PackedMatrix::kPanel, 0U);
    for (const std::size_t count : {1, 2, 3, 4, 5, 6, 7, 13}) {
      const std::vector<float> x = random_values(count * 40, 1, 2);
      const std::vector<float> bias = random_values(stride, 1, 3);
      for (const bool relu : {false, true}) {
        std::vector<float> y(count * stride);
        multiply({.num_rows = count,
                  .x = x.data(),
                  .x_stride = 40,
                  .w = matrix,
                  .first_k = 3,
                  .num_k = 20,
                  .init = bias.data(),
                  .init_stride = 0,
                  .y = y.data(),
                  .y_stride = stride,
                  .relu = relu});
        for (std::size_t m = 0; m < count; ++m) {
          for (std::size_t n = 0; n < columns; ++n) {
            double expected = bias[n];
            for (std::size_t k = 0; k < 20; ++k) expected += double{x[m * 40 + k]} * transposed[n * rows + 3 + k];
            if (relu) expected = std::max(expected, 0.0);
            ASSERT_NEAR(y[m * stride + n], expected, 1e-4) << columns << " columns, row " << m << " of " << count;
          }
        }
      }
    }
  }
}

TEST_P(SileroKernels, RowsOfAProductDontDependOnTheOthers) {
  const PackedMatrix matrix(random_values(80 * 50, 1, 1), 50, 80);
  const std::vector<float> x = random_values(13 * 50, 1, 2);
  const auto product = [&](std::size_t first, std::size_t count) {
    std::vector<float> y(count * 80);
    multiply({.num_rows = count,
              .x = x.data() + first * 50,
              .x_stride = 50,
              .w = matrix,
              .first_k = 0,
              .num_k = 50,
              .init = y.data(),
              .init_stride = 80,
              .y = y.data(),
              .y_stride = 80,
              .relu = false});
    return y;
  };
  const std::vector<float> all = product(0, 13);
  for (std::size_t m = 0; m < 13; ++m) {
    const std::vector<float> one = product(m, 1);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + static_cast<std::ptrdiff_t>(m * 80))) << m;
  }
}

TEST_P(SileroKernels, LstmStepIsThatOfTheReference) {
  constexpr std::size_t kSize = 32;
  const std::vector<float> gates = random_values(4 * kSize, 4, 1);
  const std::vector<float> output = random_values(kSize, 0.3F, 2);
  std::vector<float> h(kSize);
  std::vector<float> c = random_values(kSize, 2, 3);
  const std::vector<float> old_c = c;
  const float probability = lstm_step(gates.data(), kSize, output.data(), 0.1F, h.data(), c.data());

  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  double sum = 0.1;
  for (std::size_t i = 0; i < kSize; ++i) {
    const double new_c = sigmoid(gates[kSize + i]) * old_c[i] + sigmoid(gates[i]) * std::tanh(gates[2 * kSize + i]);
    const double new_h = sigmoid(gates[3 * kSize + i]) * std::tanh(new_c);
    EXPECT_NEAR(c[i], new_c, 1e-6);
    EXPECT_NEAR(h[i], new_h, 1e-6);
    sum += std::max(new_h, 0.0) * output[i];
  }
  EXPECT_NEAR(probability, sigmoid(sum), 1e-6);
}

TEST_P(SileroKernels, LstmStepSaturates) {
  std::vector<float> gates(64, 1e30F);
  std::vector<float> h(16);
  std::vector<float> c(16);
  const std::vector<float> output(16, -1e30F);
  EXPECT_NEAR(lstm_step(gates.data(), 16, output.data(), 0, h.data(), c.data()), 0, 1e-6);
  EXPECT_EQ(c[3], 1.0F);
  EXPECT_NEAR(h[3], std::tanh(1.0), 1e-6);
  std::fill(gates.begin(), gates.end(), -1e30F);
  EXPECT_NEAR(lstm_step(gates.data(), 16, output.data(), 0, h.data(), c.data()), 0.5, 1e-6);
  EXPECT_NEAR(c[3], 0, 1e-6);
}

TEST_P(SileroKernels, Magnitudes) {
  const std::vector<float> spectrum = random_values(2 * 37, 1, 1);
  std::vector<float> out(37);
  magnitudes(spectrum.data(), 37, out.data());
  for (std::size_t i = 0; i < 37; ++i) EXPECT_NEAR(out[i], std::hypot(spectrum[i], spectrum[37 + i]), 1e-6);
}

TEST_P(SileroKernels, CopiedSamplesAreFinite) {
  std::vector<float> samples(16, 0.25F);
  samples[1] = std::numeric_limits<float>::quiet_NaN();
  samples[2] = std::numeric_limits<float>::infinity();
  samples[3] = -1e30F;
  samples[4] = -1.5F;
  std::vector<float> copy(16);
  copy_samples(samples.data(), 16, copy.data());
  EXPECT_EQ(copy, (std::vector<float>{0.25F, 0, kMaxSample, -kMaxSample, -1.5F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F,
                                      0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F}));
}

// --- The model with random weights

using Tensors = std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>>;

Tensors random_tensors() {
  Tensors tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, float scale) {
    std::size_t count = 1;
    for (const std::int64_t dim : shape) count *= static_cast<std::size_t>(dim);
    const auto seed = static_cast<std::uint32_t>(tensors.size());
    tensors["model." + name] = {std::move(shape), random_values(count, scale, seed)};
  };
  add("stft.forward_basis_buffer", {258, 1, 256}, 0.1F);
  const std::int64_t channels[] = {129, 128, 64, 64, 128};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string name = "encoder." + std::to_string(i) + ".reparam_conv.";
    add(name + "weight", {channels[i + 1], channels[i], 3}, 0.1F);
    add(name + "bias", {channels[i + 1]}, 0.1F);
  }
  for (const char* part : {"ih", "hh"}) {
    add(std::string("decoder.rnn.weight_") + part, {512, 128}, 0.1F);
    add(std::string("decoder.rnn.bias_") + part, {512}, 0.1F);
  }
  add("decoder.decoder.2.weight", {1, 128, 1}, 0.2F);
  add("decoder.decoder.2.bias", {1}, 0.1F);
  return tensors;
}

std::filesystem::path write_model(const Tensors& tensors, const std::string& name) {
  std::string graph;
  for (const auto& [tensor, content] : tensors) graph += testing::initializer(tensor, content.first, content.second);
  const std::string file = testing::model(graph);
  // Tests run beside each other.
  const auto path = std::filesystem::path(::testing::TempDir()) / (std::to_string(getpid()) + "_" + name);
  const Status written = write_file_atomic(path, std::as_bytes(std::span(file)));
  EXPECT_TRUE(written.ok());
  return path;
}

SileroVad random_model() {
  const auto path = write_model(random_tensors(), "silero_random.onnx");
  auto vad = SileroVad::load(path);
  EXPECT_TRUE(vad) << vad.error().message;
  std::filesystem::remove(path);
  return *std::move(vad);
}

/// The network as its description reads, in double precision: frames [channel][time] and explicit padding.
class Reference {
 public:
  explicit Reference(Tensors tensors) : tensors_(std::move(tensors)) {}

  double step(std::span<const float> chunk) {
    std::vector<double> input = context_;
    input.insert(input.end(), chunk.begin(), chunk.end());
    context_.assign(input.end() - 64, input.end());
    for (std::size_t i = 0; i < 64; ++i) input.push_back(input[574 - i]);

    const std::vector<float>& basis = tensor("stft.forward_basis_buffer");
    Frames frames(129, std::vector<double>(4));
    for (std::size_t bin = 0; bin < 129; ++bin) {
      for (std::size_t t = 0; t < 4; ++t) {
        double re = 0;
        double im = 0;
        for (std::size_t i = 0; i < 256; ++i) {
          re += basis[bin * 256 + i] * input[t * 128 + i];
          im += basis[(129 + bin) * 256 + i] * input[t * 128 + i];
        }
        frames[bin][t] = std::hypot(re, im);
      }
    }
    const std::size_t strides[] = {1, 2, 2, 1};
    for (std::size_t i = 0; i < 4; ++i) {
      const std::string name = "encoder." + std::to_string(i) + ".reparam_conv.";
      frames = convolve(frames, tensor(name + "weight"), tensor(name + "bias"), strides[i]);
    }

    std::vector<double> gates(512);
    for (std::size_t n = 0; n < 512; ++n) {
      gates[n] = double{tensor("decoder.rnn.bias_ih")[n]} + tensor("decoder.rnn.bias_hh")[n];
      for (std::size_t k = 0; k < 128; ++k) {
        gates[n] += tensor("decoder.rnn.weight_ih")[n * 128 + k] * frames[k][0];
        gates[n] += tensor("decoder.rnn.weight_hh")[n * 128 + k] * h_[k];
      }
    }
    double sum = tensor("decoder.decoder.2.bias")[0];
    for (std::size_t i = 0; i < 128; ++i) {
      c_[i] = sigmoid(gates[128 + i]) * c_[i] + sigmoid(gates[i]) * std::tanh(gates[256 + i]);
      h_[i] = sigmoid(gates[384 + i]) * std::tanh(c_[i]);
      sum += std::max(h_[i], 0.0) * tensor("decoder.decoder.2.weight")[i];
    }
    return sigmoid(sum);
  }

 private:
  using Frames = std::vector<std::vector<double>>;

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  const std::vector<float>& tensor(const std::string& name) const { return tensors_.at("model." + name).second; }

  static Frames convolve(const Frames& in, const std::vector<float>& weights, const std::vector<float>& bias,
                         std::size_t stride) {
    const std::size_t num_frames = (in[0].size() - 1) / stride + 1;
    Frames out(bias.size(), std::vector<double>(num_frames));
    for (std::size_t n = 0; n < out.size(); ++n) {
      for (std::size_t t = 0; t < num_frames; ++t) {
        double sum = bias[n];
        for (std::size_t channel = 0; channel < in.size(); ++channel) {
          for (std::size_t tap = 0; tap < 3; ++tap) {
            const std::size_t from = t * stride + tap;  // one later than in `in`, for the padding
            if (from >= 1 && from <= in[0].size()) {
              sum += weights[(n * in.size() + channel) * 3 + tap] * in[channel][from - 1];
            }
          }
        }
        out[n][t] = std::max(sum, 0.0);
      }
    }
    return out;
  }

  Tensors tensors_;
  std::vector<double> context_ = std::vector<double>(64);
  std::vector<double> h_ = std::vector<double>(128);
  std::vector<double> c_ = std::vector<double>(128);
};

class SileroVadTest : public EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, SileroVadTest, ::testing::ValuesIn(targets()), target_name);

TEST_P(SileroVadTest, ProbabilitiesAreThoseOfTheReference) {
  const SileroVad vad = random_model();
  Reference reference(random_tensors());
  const std::vector<float> samples = random_values(12 * kChunk, 0.3F, 9);
  std::vector<float> probabilities(12);
  VadState state;
  SileroVad::Scratch scratch;
  vad.run(state, samples, probabilities, scratch);
  float low = 1;
  float high = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(probabilities[i], reference.step(std::span(samples).subspan(i * kChunk, kChunk)), 1e-5) << i;
    low = std::min(low, probabilities[i]);
    high = std::max(high, probabilities[i]);
  }
  EXPECT_GT(high - low, 0.01F) << "the weights of this test say nothing";
}

TEST_P(SileroVadTest, StreamIsIndependentOfItsBatch) {
  const SileroVad vad = random_model();
  constexpr std::size_t kStreams = 53;
  constexpr std::size_t kSteps = 4;
  const std::vector<float> samples = random_values(kStreams * kSteps * kChunk, 0.3F, 9);  // [stream][step][sample]
  SileroVad::Scratch scratch;
  std::vector<float> alone(kStreams * kSteps);
  for (std::size_t stream = 0; stream < kStreams; ++stream) {
    VadState state;
    vad.run(state, std::span(samples).subspan(stream * kSteps * kChunk, kSteps * kChunk),
            std::span(alone).subspan(stream * kSteps, kSteps), scratch);
  }

  std::vector<VadState> states(kStreams);
  for (std::size_t i = 0; i < kSteps; ++i) {
    // Another batch in another order at each step: the first streams, last one first.
    const std::size_t count = kStreams - 7 * i;
    std::vector<VadState*> batch;
    std::vector<float> chunks;
    for (std::size_t stream = count; stream-- > 0;) {
      batch.push_back(&states[stream]);
      const auto chunk = std::span(samples).subspan((stream * kSteps + i) * kChunk, kChunk);
      chunks.insert(chunks.end(), chunk.begin(), chunk.end());
    }
    std::vector<float> probabilities(count);
    vad.step(batch, chunks, probabilities, scratch);
    for (std::size_t b = 0; b < count; ++b) {
      EXPECT_EQ(probabilities[b], alone[(count - 1 - b) * kSteps + i]) << "stream " << count - 1 - b << ", step " << i;
    }
  }
}

TEST_P(SileroVadTest, NoInputSpoilsAState) {
  const SileroVad vad = random_model();
  std::vector<float> samples = random_values(8 * kChunk, 0.3F, 9);
  for (std::size_t i = 0; i < kChunk; ++i) {
    samples[i] = std::numeric_limits<float>::quiet_NaN();
    samples[2 * kChunk + i] = i % 2 == 0 ? std::numeric_limits<float>::infinity() : -1e38F;
  }
  std::vector<float> probabilities(8);
  VadState state;
  SileroVad::Scratch scratch;
  vad.run(state, samples, probabilities, scratch);
  for (const float probability : probabilities) {
    EXPECT_GE(probability, 0.0F);
    EXPECT_LE(probability, 1.0F);
  }
  for (const float value : state.h) EXPECT_TRUE(std::isfinite(value));
}

TEST(SileroVad, WholeRecordingIsFilledUp) {
  const SileroVad vad = random_model();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, 3 * kChunk - 1, 3 * kChunk, 30 * kChunk + 5}) {
    std::vector<float> samples = random_values(size, 0.3F, 9);
    const std::vector<float> probabilities = vad.probabilities(samples);
    ASSERT_EQ(probabilities.size(), size / kChunk + 1);
    samples.resize(probabilities.size() * kChunk);
    std::vector<float> expected(probabilities.size());
    VadState state;
    SileroVad::Scratch scratch;
    vad.run(state, samples, expected, scratch);
    EXPECT_EQ(probabilities, expected);
  }
}

TEST(SileroVad, RefusesFilesThatAreNotTheModel) {
  const auto missing = SileroVad::load(std::filesystem::path(::testing::TempDir()) / "no_such.onnx");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);

  const Tensors good = random_tensors();
  for (const auto& [name, content] : good) {
    Tensors without = good;
    without.erase(name);
    Tensors other_shape = good;
    other_shape[name].first.push_back(1);
    for (const auto& [tensors, code] :
         {std::pair{without, ErrorCode::kOnnxTensorMissing}, std::pair{other_shape, ErrorCode::kOnnxTensorShape}}) {
      const auto path = write_model(tensors, "silero_bad.onnx");
      const auto vad = SileroVad::load(path);
      ASSERT_FALSE(vad) << name;
      EXPECT_EQ(vad.error().code, code) << name;
      EXPECT_NE(vad.error().message.find("'" + name + "'"), std::string::npos) << vad.error().message;
      EXPECT_EQ(vad.error().param, path.string());
      std::filesystem::remove(path);
    }
  }
}

// --- The published weights

TEST_P(SileroVadTest, PublishedWeightsGiveOnnxruntimesProbabilities) {
  const char* models = std::getenv("STENOD_TEST_MODEL_DIR");
  if (models == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  const auto path = std::filesystem::path(models) / "silero-vad" / "silero_vad_16k_op15.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " does not exist";
  const auto recording = read_file("/usr/share/pocketsphinx/test/data/goforward.raw", 1 << 20);
  if (!recording) GTEST_SKIP() << recording.error().message << " (Debian package pocketsphinx-testdata)";

  const auto vad = SileroVad::load(path);
  ASSERT_TRUE(vad) << vad.error().message;
  std::vector<float> samples;
  for (std::size_t i = 0; i + 1 < recording->size(); i += 2) {
    std::int16_t sample = 0;
    std::copy_n(recording->data() + i, 2, reinterpret_cast<char*>(&sample));
    samples.push_back(static_cast<float>(sample) / 32768.0F);
  }
  // onnxruntime 1.31.1 on the same file and recording.
  const std::vector<float> expected = {
      0.04251F, 0.01625F, 0.01180F, 0.00773F, 0.00861F, 0.00606F, 0.00621F, 0.02013F, 0.01359F, 0.00623F, 0.00408F,
      0.00361F, 0.00283F, 0.00347F, 0.00310F, 0.02132F, 0.90116F, 0.99070F, 0.99519F, 0.99707F, 0.99958F, 0.99968F,
      0.99973F, 0.99955F, 0.99995F, 0.99995F, 0.99934F, 0.99656F, 0.99507F, 0.99924F, 0.99945F, 0.99945F, 0.99951F,
      0.99923F, 0.99952F, 0.99750F, 0.99501F, 0.96992F, 0.87479F, 0.78725F, 0.61537F, 0.80783F, 0.99633F, 0.99916F,
      0.99965F, 0.99994F, 0.99989F, 0.99987F, 0.99974F, 0.99988F, 0.99993F, 0.99994F, 0.99991F, 0.99995F, 0.99995F,
      0.99971F, 0.99952F, 0.99739F, 0.99262F, 0.99771F, 0.99977F, 0.99990F, 0.99990F, 0.99991F, 0.99994F, 0.99994F,
      0.99974F, 0.99167F, 0.96228F, 0.78366F, 0.40050F, 0.10905F, 0.03406F, 0.01402F, 0.01174F, 0.01268F, 0.01200F,
      0.01143F, 0.01040F, 0.00928F, 0.00903F, 0.00868F, 0.00930F, 0.00929F, 0.03482F, 0.01282F, 0.03460F, 0.00487F};
  const std::vector<float> probabilities = vad->probabilities(samples);
  ASSERT_EQ(probabilities.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(probabilities[i], expected[i], 1e-4) << i;
}

}  // namespace
}  // namespace stenod::vad
