// Needs real model folders: STENOD_TEST_MODEL_DIR names the folder that holds "base" and "tiny.en".
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "text/language.h"
#include "text/tokenizer.h"
#include "text/words.h"

namespace stenod::text {
namespace {

struct Model {
  const char* name;
  int vocab_size;
  int eot;
};

class TokenizerModel : public ::testing::TestWithParam<Model> {};

TEST_P(TokenizerModel, LoadsTheRealVocabulary) {
  const char* models = std::getenv("STENOD_TEST_MODEL_DIR");
  if (models == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  const auto folder = std::filesystem::path(models) / GetParam().name;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";

  const auto loaded = Tokenizer::load(folder, GetParam().vocab_size);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const int eot = GetParam().eot;
  EXPECT_EQ(loaded->special().eot, eot);
  EXPECT_EQ(loaded->special().sot, eot + 1);
  EXPECT_EQ(loaded->special().transcribe, eot + 102);
  EXPECT_EQ(loaded->special().no_speech, eot + 105);
  EXPECT_EQ(loaded->special().timestamp_begin, eot + 107);
  ASSERT_EQ(loaded->language_codes().size(), 99u);
  for (std::size_t i = 0; i < 99; ++i) EXPECT_EQ(loaded->language_codes()[i], languages()[i].code);
  EXPECT_FALSE(Tokenizer::load(folder, GetParam().vocab_size + 1));

  // Every byte is a token of its own, in the order of the byte alphabet.
  EXPECT_EQ(loaded->token_bytes(0), "!");
  EXPECT_EQ(loaded->token_bytes(220), " ");
  if (eot == 50257) {
    const std::vector<int> tokens = {15947, 11, 1002, 0, 14384, 3225, 35752, eot};  // by Hugging Face's tokenizers
    EXPECT_EQ(loaded->decode(tokens), "Hello, world! こんにちは");
    EXPECT_EQ(split_to_words(*loaded, tokens, "en").size(), 6u);  // Hello , world ! こんにちは eot
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerModel,
                         ::testing::Values(Model{"base", 51865, 50257}, Model{"tiny.en", 51864, 50256}),
                         [](const auto& test) { return test.param.eot == 50257 ? "base" : "tiny_en"; });

}  // namespace
}  // namespace stenod::text
