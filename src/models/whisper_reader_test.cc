#include "models/whisper_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "models/testing/generated_forms.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

using testing::GeneratedModel;
using ::testing::HasSubstr;

class WhisperReader : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_models_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

/// large-v3-turbo's and a distilled model's proportions: more encoder than decoder layers, 128 mel bins, 51866 tokens.
TEST_F(WhisperReader, ReadsEveryForm) {
  for (const int decoder_layers : {1, 2}) {
    const GeneratedModel model{.num_mels = 128,
                               .d_model = 64,
                               .num_encoder_layers = 4,
                               .num_decoder_layers = decoder_layers,
                               .vocab_size = 51866,
                               .type = DataType::kFloat16};
    const fs::path paths[] = {folder_ / "ct2", folder_ / "hf", folder_ / "ggml.bin"};
    ASSERT_TRUE(write_generated_model(paths[0], model).ok());
    ASSERT_TRUE(write_generated_huggingface(paths[1], model).ok());
    ASSERT_TRUE(write_generated_ggml(paths[2], model).ok());
    const WhisperForm forms[] = {WhisperForm::kCTranslate2, WhisperForm::kHuggingFace, WhisperForm::kGgml};
    for (int i = 0; i < 3; ++i) {
      SCOPED_TRACE(paths[i]);
      EXPECT_EQ(find_whisper_form(paths[i]), forms[i]);
      const auto weights = read_whisper(paths[i]);
      ASSERT_TRUE(weights.ok()) << weights.error().message;
      EXPECT_EQ(weights->dims.num_mels, 128);
      EXPECT_EQ(weights->dims.vocab_size, 51866);
      EXPECT_EQ(weights->dims.num_encoder_layers, 4);
      EXPECT_EQ(weights->dims.num_decoder_layers, decoder_layers);
      EXPECT_TRUE(weights->dims.multilingual());
      EXPECT_EQ(weights->generation.alignment_heads, (std::vector{std::pair(decoder_layers - 1, 0)}));
      EXPECT_EQ(weights->vocabulary.size(), forms[i] == WhisperForm::kGgml ? 50257U : 0U);
    }
  }
}

TEST_F(WhisperReader, SaysWhatItFoundInstead) {
  const auto expect = [&](const fs::path& path, ErrorCode code, const char* message) {
    const auto weights = read_whisper(path);
    ASSERT_FALSE(weights.ok());
    EXPECT_EQ(error_name(weights.error().code), error_name(code));
    EXPECT_THAT(weights.error().message, HasSubstr(message));
    EXPECT_EQ(weights.error().param, path.string());
  };
  expect(folder_ / "nothing", ErrorCode::kNotFound, "there is no such file or folder");
  expect(folder_, ErrorCode::kModelMissingFile, "it holds nothing; expected a folder with model.bin");
  std::ofstream(folder_ / "pytorch_model.bin") << "x";
  std::ofstream(folder_ / "config.json") << "{}";
  expect(folder_, ErrorCode::kModelMissingFile, "it holds config.json, pytorch_model.bin; expected");
  for (int i = 0; i < 10; ++i) std::ofstream(folder_ / std::to_string(i)) << "x";
  expect(folder_, ErrorCode::kModelMissingFile, " and more; expected");
  expect(folder_ / "config.json", ErrorCode::kInvalidArgument, "give the folder that it lies in");
  expect(folder_ / "pytorch_model.bin", ErrorCode::kModelTruncated, "the file ends within the first number");
  std::ofstream(folder_ / "model.safetensors") << "x";
  EXPECT_EQ(find_whisper_form(folder_), WhisperForm::kHuggingFace);
  std::ofstream(folder_ / "model.bin") << "x";
  EXPECT_EQ(find_whisper_form(folder_), WhisperForm::kCTranslate2);
}

}  // namespace
}  // namespace stenod::models
