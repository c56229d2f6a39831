// The same weights in every file format give the same figures, bit by bit: what reads them differs, what computes does
// not. In the proportions of distilled and turbo models.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "compute/cpu/cpu_backend.h"
#include "models/data_type.h"
#include "models/ggml_reader.h"
#include "models/testing/generated_forms.h"
#include "models/whisper_reader.h"
#include "whisper/backend_runner.h"
#include "whisper/tensor_rows.h"

namespace stenod::whisper {
namespace {

using compute::ComputeType;
using models::DataType;
using models::testing::GeneratedModel;

constexpr int kFrames = 40;

/// The encoder's output and the logits of a few tokens.
std::vector<float> figures(models::WhisperWeights weights, ComputeType type) {
  const int num_mels = weights.dims.num_mels;
  auto backend = compute::cpu::CpuBackend::create(1, *compute::parse_isa("auto"));
  EXPECT_TRUE(backend.ok());
  const auto runner = BackendRunner::create(*std::move(backend), std::move(weights), type, {1, 8, 1500});
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  if (!runner) return {};
  std::mt19937 random(7);
  std::vector<float> features(static_cast<std::size_t>(2 * kFrames * num_mels));
  for (float& x : features) x = static_cast<float>(random() % 2000) / 1000 - 1;
  const EncodeWindow window[] = {{0, features, kFrames}};
  EXPECT_TRUE((*runner)->encode(window).ok());
  std::vector<float> all = (*runner)->encoder_output();
  const std::vector<StepRow> rows = {{0, 0, 5, true}, {0, 1, 300, true}, {0, 2, 17, true}};
  EXPECT_TRUE((*runner)->step(rows).ok());
  for (int row = 0; row < 3; ++row) {
    const auto logits = (*runner)->logits(row);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

class BackendRunnerForms : public testing::TestWithParam<GeneratedModel> {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "stenod_forms_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_P(BackendRunnerForms, GiveTheSameFigures) {
  for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    SCOPED_TRACE(models::data_type_name(type));
    GeneratedModel model = GetParam();
    model.type = type;
    const auto ct2 = folder_ / "ct2", hugging_face = folder_ / "hf", ggml = folder_ / "ggml.bin";
    ASSERT_TRUE(write_generated_model(ct2, model).ok());
    ASSERT_TRUE(write_generated_huggingface(hugging_face, model).ok());
    ASSERT_TRUE(write_generated_ggml(ggml, model).ok());
    for (const ComputeType compute : {ComputeType::kFloat32, ComputeType::kInt8}) {
      const auto expected = figures(*models::read_whisper(ct2), compute);
      ASSERT_FALSE(expected.empty());
      EXPECT_TRUE(figures(*models::read_whisper(hugging_face), compute) == expected);
      EXPECT_TRUE(figures(*models::read_whisper(ggml), compute) == expected);
    }
  }
}

/// Blocks are read as what they stand for: a model of float32 with those values gives the same figures.
TEST_P(BackendRunnerForms, BlocksGiveTheFiguresOfTheirValues) {
  for (const DataType type : {DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0, DataType::kQ5_1, DataType::kQ8_0,
                              DataType::kQ2K, DataType::kQ3K, DataType::kQ4K, DataType::kQ5K, DataType::kQ6K}) {
    GeneratedModel model = GetParam();
    model.type = type;
    if (static_cast<std::size_t>(model.d_model) % models::block_size(type).values != 0) continue;
    SCOPED_TRACE(models::data_type_name(type));
    auto tensors = generate_tensors(model, models::kOpenAiNames);
    const auto blocks = join_ggml(model, tensors);
    auto quantised = models::parse_ggml(blocks.bytes, "blocks");
    ASSERT_TRUE(quantised.ok()) << quantised.error().message;
    const auto found = figures(*std::move(quantised), ComputeType::kFloat32);
    for (auto& tensor : tensors) {
      if (models::is_float(tensor.type)) continue;
      tensor.bytes =
          models::testing::encode_floats(read_all({tensor.type, tensor.shape, tensor.bytes, {}}), DataType::kFloat32);
      tensor.type = DataType::kFloat32;
    }
    const auto floats = join_ggml(model, tensors);
    auto plain = models::parse_ggml(floats.bytes, "floats");
    ASSERT_TRUE(plain.ok()) << plain.error().message;
    ASSERT_FALSE(found.empty());
    EXPECT_TRUE(found == figures(*std::move(plain), ComputeType::kFloat32));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BackendRunnerForms,
                         testing::Values(GeneratedModel{.num_mels = 80,
                                                        .d_model = 64,
                                                        .num_encoder_layers = 4,
                                                        .num_decoder_layers = 2,
                                                        .vocab_size = models::testing::kMinVocabSize},
                                         GeneratedModel{.num_mels = 128,
                                                        .d_model = 256,
                                                        .num_encoder_layers = 3,
                                                        .num_decoder_layers = 1,
                                                        .vocab_size = models::testing::kMinVocabSize + 1}),
                         [](const auto& test) { return "Mels" + std::to_string(test.param.num_mels); });

}  // namespace
}  // namespace stenod::whisper
