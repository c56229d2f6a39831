#include "transcribe/whisper_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "audio/testing/audio_files.h"
#include "models/testing/generated_forms.h"

namespace stenod::transcribe {
namespace {

using models::testing::GeneratedModel;

TEST(WhisperFiles, EveryFormHasItsTokens) {
  const audio::testing::TempFolder folder;
  const GeneratedModel model{
      .num_encoder_layers = 1, .num_decoder_layers = 1, .vocab_size = models::testing::kMinVocabSize + 10};
  const auto ct2 = folder.path() / "ct2", hugging_face = folder.path() / "hf", ggml = folder.path() / "ggml.bin";
  ASSERT_TRUE(write_generated_model(ct2, model).ok());
  ASSERT_TRUE(write_generated_huggingface(hugging_face, model).ok());
  ASSERT_TRUE(write_generated_ggml(ggml, model).ok());
  for (const auto& path : {ct2, hugging_face, ggml}) {
    SCOPED_TRACE(path);
    const auto files = read_whisper_files(path);
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->tokenizer.vocab_size(), model.vocab_size);
    EXPECT_EQ(files->tokenizer.special().eot, 266);
    EXPECT_EQ(files->tokenizer.language_codes().size(), 99U);
    EXPECT_TRUE(files->weights.vocabulary.empty());
    if (path != ggml) continue;
    // What the file does not say.
    EXPECT_THAT(files->weights.generation.suppress_tokens, testing::Contains(files->tokenizer.special().sot));
    EXPECT_THAT(files->weights.generation.suppress_begin_tokens, testing::Contains(files->tokenizer.special().eot));
  }
  std::filesystem::remove(hugging_face / "tokenizer.json");
  const auto without = read_whisper_files(hugging_face);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(without.error().message, testing::HasSubstr("there is no tokenizer.json"));
}

TEST(WhisperFiles, AVocabularyThatFitsNoModel) {
  const audio::testing::TempFolder folder;
  GeneratedModel model{.num_encoder_layers = 1, .num_decoder_layers = 1, .vocab_size = 1510};
  ASSERT_TRUE(write_generated_ggml(folder.path() / "small.bin", model).ok());
  const auto files = read_whisper_files(folder.path() / "small.bin");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::kTokenizerSizeMismatch);
  EXPECT_EQ(files.error().param, (folder.path() / "small.bin").string());
}

}  // namespace
}  // namespace stenod::transcribe
