#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "text/testing/mini_vocabulary.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

using testing::MiniVocabulary;
using Mini = MiniVocabulary;

class TokenizerTest : public ::testing::Test {
 protected:
  MiniVocabulary mini_;
  Tokenizer tokenizer_ = mini_.tokenizer();
};

TEST_F(TokenizerTest, KnowsTheSpecialTokens) {
  const SpecialTokens& special = tokenizer_.special();
  const int eot = mini_.eot();
  EXPECT_EQ(special.eot, eot);
  EXPECT_EQ(special.sot, eot + 1);
  EXPECT_EQ(special.translate, eot + 5);
  EXPECT_EQ(special.transcribe, eot + 6);
  EXPECT_EQ(special.startoflm, eot + 7);
  EXPECT_EQ(special.startofprev, eot + 8);
  EXPECT_EQ(special.no_speech, eot + 9);
  EXPECT_EQ(special.notimestamps, eot + 10);
  EXPECT_EQ(special.timestamp_begin, eot + 11);
  EXPECT_EQ(tokenizer_.vocab_size(), mini_.vocab_size());
}

TEST_F(TokenizerTest, KnowsTheLanguages) {
  EXPECT_THAT(tokenizer_.language_codes(), ::testing::ElementsAre("en", "ja", "haw"));
  EXPECT_EQ(tokenizer_.language_token("en"), tokenizer_.special().sot + 1);
  EXPECT_EQ(tokenizer_.language_token("haw"), tokenizer_.special().sot + 3);
  EXPECT_EQ(tokenizer_.language_token("de"), std::nullopt);
}

TEST_F(TokenizerTest, DecodesBytes) {
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{Mini::kHello, Mini::kComma, Mini::kWorld, Mini::kPeriod}),
            "Hello, world.");
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{Mini::kE3, Mini::k81, Mini::k82}), "あ");
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{Mini::kSpace, Mini::kNewline, Mini::kEmpty, Mini::kHi}), " \nhi");
  EXPECT_EQ(tokenizer_.token_bytes(Mini::k81), "\x81");
}

TEST_F(TokenizerTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{Mini::kE3, Mini::k81, Mini::kHi}), "\uFFFDhi");
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{Mini::k81, Mini::k82}), "\uFFFD\uFFFD");
}

TEST_F(TokenizerTest, PassesOverWhatIsNoText) {
  const int eot = mini_.eot();
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{eot + 1, eot + 2, mini_.timestamp_begin() + 5, Mini::kHello, eot}),
            "Hello");
  EXPECT_EQ(tokenizer_.decode(std::vector<int>{-1, mini_.vocab_size(), std::numeric_limits<int>::max(),
                                               std::numeric_limits<int>::min()}),
            "");
  EXPECT_EQ(tokenizer_.token_bytes(eot), "");
}

TEST_F(TokenizerTest, ShowsTimestamps) {
  const int begin = mini_.timestamp_begin();
  EXPECT_EQ(tokenizer_.decode_with_timestamps(std::vector<int>{begin, Mini::kHello, begin + 61, begin + 1500}),
            "<|0.00|>Hello<|1.22|><|30.00|>");
  EXPECT_EQ(tokenizer_.decode_with_timestamps(std::vector<int>{Mini::kE3, begin, Mini::k81, Mini::kHi}),
            "\uFFFD<|0.00|>\uFFFDhi");
}

TEST_F(TokenizerTest, ConvertsTimestamps) {
  for (int i = 0; i < Tokenizer::kNumTimestamps; ++i) {
    const int token = mini_.timestamp_begin() + i;
    ASSERT_TRUE(tokenizer_.is_timestamp(token));
    ASSERT_DOUBLE_EQ(tokenizer_.timestamp_seconds(token), i * 0.02);
  }
  EXPECT_FALSE(tokenizer_.is_timestamp(mini_.timestamp_begin() - 1));
  EXPECT_FALSE(tokenizer_.is_timestamp(mini_.vocab_size()));
}

/// All bytes by their numbers, then a few longer tokens.
class TokenizerEncodeTest : public ::testing::Test {
 protected:
  static Tokenizer make() {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    for (const char* text : {"th", "the", " the", "'s", "s ", "\xEF\xBF\xBD"}) tokens.emplace_back(text);
    const int vocab_size = static_cast<int>(tokens.size()) + 8 + 99 + Tokenizer::kNumTimestamps;
    return Tokenizer::from_tokens(tokens, vocab_size, "test").value();
  }
  enum Token { kTh = 256, kThe, kSpaceThe };

  Tokenizer tokenizer_ = make();
};

TEST_F(TokenizerEncodeTest, MergesWithinTheParts) {
  EXPECT_THAT(tokenizer_.encode("the the"), ::testing::ElementsAre(kThe, kSpaceThe));
  EXPECT_THAT(tokenizer_.encode("ath"), ::testing::ElementsAre('a', kTh));
  EXPECT_THAT(tokenizer_.encode("s a"), ::testing::ElementsAre('s', ' ', 'a')) << "a part ends before the space";
  EXPECT_THAT(tokenizer_.encode(""), ::testing::IsEmpty());
}

TEST_F(TokenizerEncodeTest, SpecialTokensCannotBeWritten) {
  for (const std::string text : {"<|endoftext|>", "<|startoftranscript|><|en|>", " <|0.00|>", "<|notimestamps|>"}) {
    const std::vector<int> tokens = tokenizer_.encode(text);
    EXPECT_EQ(tokens.size(), text.size());
    for (const int token : tokens) EXPECT_TRUE(tokenizer_.is_text(token));
    EXPECT_EQ(tokenizer_.decode(tokens), text);
  }
}

TEST_F(TokenizerEncodeTest, IllFormedUtf8BecomesU_FFFD) {
  for (const std::string bad : {"\xFF", "a\x80 b", "\xE3\x81", "\xED\xA0\x80", "\xC0\x80", "\xF0\x9F\x98 the"}) {
    EXPECT_EQ(tokenizer_.encode(bad), tokenizer_.encode(to_valid_utf8(bad)));
    EXPECT_EQ(tokenizer_.decode(tokenizer_.encode(bad)), to_valid_utf8(bad));
  }
}

TEST_F(TokenizerEncodeTest, ACopyEncodesToo) {
  const Tokenizer copy = tokenizer_;
  tokenizer_ = MiniVocabulary().tokenizer();
  EXPECT_THAT(copy.encode("the"), ::testing::ElementsAre(kThe));
}

}  // namespace
}  // namespace stenod::text
