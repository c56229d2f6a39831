#include "text/suppressed_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace stenod::text {
namespace {

/// The vocabularies of OpenAI's models: the configurations of the converted models list what was computed there.
/// STENOD_TEST_MODEL_DIR names the folder that holds "base" and "tiny.en".
TEST(SuppressedTokens, AreThoseOfOpenAisModels) {
  const char* folder = std::getenv("STENOD_TEST_MODEL_DIR");
  if (folder == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  for (const auto& [name, vocab_size] : {std::pair("base", 51865), std::pair("tiny.en", 51864)}) {
    const auto model = std::filesystem::path(folder) / name;
    if (!std::filesystem::exists(model)) GTEST_SKIP() << model << " is not there";
    const auto tokenizer = Tokenizer::load(model, vocab_size);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const auto config = parse_json(*read_file(model / "config.json", 1 << 20));
    ASSERT_TRUE(config) << config.error().message;
    const auto listed = [&](const char* key) { return json::value_to<std::vector<int>>(config->at(key)); };
    EXPECT_EQ(standard_suppressed_tokens(*tokenizer), listed("suppress_ids")) << name;
    EXPECT_EQ(standard_suppressed_begin_tokens(*tokenizer), listed("suppress_ids_begin")) << name;
  }
}

TEST(SuppressedTokens, OfTokensThatAreBytes) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  const auto tokenizer = Tokenizer::from_tokens(bytes, 256 + 8 + 99 + Tokenizer::kNumTimestamps, "bytes");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::vector<int> suppressed = standard_suppressed_tokens(*tokenizer);
  const SpecialTokens& special = tokenizer->special();
  // 0xE2 begins the notes; a space is the first token of " -".
  EXPECT_THAT(suppressed, ::testing::IsSupersetOf({static_cast<int>('['), static_cast<int>(' '), 0xE2, special.sot,
                                                   special.no_speech, special.transcribe, special.startofprev}));
  for (const int token : {static_cast<int>('a'), static_cast<int>('-'), static_cast<int>('\''), 0xE3, special.eot,
                          special.notimestamps, special.timestamp_begin, special.sot + 1}) {
    EXPECT_THAT(suppressed, ::testing::Not(::testing::Contains(token)));
  }
  EXPECT_TRUE(std::is_sorted(suppressed.begin(), suppressed.end()));
  EXPECT_THAT(standard_suppressed_begin_tokens(*tokenizer), ::testing::ElementsAre(static_cast<int>(' '), special.eot));
}

}  // namespace
}  // namespace stenod::text
