#include "text/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/testing/mini_vocabulary.h"

namespace stenod::text {
namespace {

using Mini = testing::MiniVocabulary;
using ::testing::ElementsAre;

MATCHER_P2(IsWord, word, tokens, "") { return arg.word == word && arg.tokens == std::vector<int>(tokens); }
using Tokens = std::vector<int>;

class WordsTest : public ::testing::Test {
 protected:
  std::vector<WordTokens> split(const Tokens& tokens, std::string_view language) {
    return split_to_words(tokenizer_, tokens, language);
  }
  Mini mini_;
  Tokenizer tokenizer_ = mini_.tokenizer();
};

TEST_F(WordsTest, SplitsAtSpacesAndPunctuation) {
  EXPECT_THAT(split({Mini::kHello, Mini::kHi, Mini::kWorld, Mini::kHi, Mini::kPeriod, Mini::kEot}, "en"),
              ElementsAre(IsWord("Hellohi", Tokens{Mini::kHello, Mini::kHi}),
                          IsWord(" worldhi", Tokens{Mini::kWorld, Mini::kHi}), IsWord(".", Tokens{Mini::kPeriod}),
                          IsWord("", Tokens{Mini::kEot})));
}

TEST_F(WordsTest, KeepsCharactersOfSeveralTokensTogether) {
  EXPECT_THAT(split({Mini::kHi, Mini::kE3, Mini::k81, Mini::k82, Mini::kE3, Mini::k81, Mini::k82}, "ja"),
              ElementsAre(IsWord("hi", Tokens{Mini::kHi}), IsWord("あ", Tokens{Mini::kE3, Mini::k81, Mini::k82}),
                          IsWord("あ", Tokens{Mini::kE3, Mini::k81, Mini::k82})));
  EXPECT_THAT(split({Mini::kHi, Mini::kE3, Mini::k81, Mini::k82}, "en"),
              ElementsAre(IsWord("hiあ", Tokens{Mini::kHi, Mini::kE3, Mini::k81, Mini::k82})));
}

TEST_F(WordsTest, TimestampsBeginWords) {
  const int begin = mini_.timestamp_begin();
  EXPECT_THAT(split({Mini::kHi, begin, Mini::kWorld, begin + 50}, "en"),
              ElementsAre(IsWord("hi", Tokens{Mini::kHi}), IsWord("<|0.00|>", Tokens{begin}),
                          IsWord(" world", Tokens{Mini::kWorld}), IsWord("<|1.00|>", Tokens{begin + 50})));
}

TEST_F(WordsTest, GivesReplacementCharactersThatAreInTheWholeText) {
  EXPECT_THAT(split({Mini::k81, Mini::kHi}, "ja"),
              ElementsAre(IsWord("\uFFFD", Tokens{Mini::k81}), IsWord("hi", Tokens{Mini::kHi})));
  EXPECT_THAT(split({}, "en"), ElementsAre());
}

std::vector<std::string> merged(std::vector<std::string> texts) {
  std::vector<WordTokens> words;
  for (std::size_t i = 0; i < texts.size(); ++i) words.push_back({texts[i], {static_cast<int>(i)}});
  merge_punctuations(words);
  std::vector<int> tokens;
  for (std::size_t i = 0; i < words.size(); ++i) {
    texts[i] = words[i].word;
    EXPECT_EQ(words[i].word.empty(), words[i].tokens.empty());
    tokens.insert(tokens.end(), words[i].tokens.begin(), words[i].tokens.end());
  }
  EXPECT_TRUE(std::is_sorted(tokens.begin(), tokens.end())) << "a token was moved";
  EXPECT_EQ(tokens.size(), texts.size());
  return texts;
}

// The lists are those that faster-whisper's function leaves.
TEST(MergePunctuations, JoinsToTheWordItBelongsTo) {
  EXPECT_THAT(merged({" Hello", ",", " world", ".", "\""}), ElementsAre(" Hello,", "", " world.\"", "", ""));
  EXPECT_THAT(merged({" (", " [", "Hi", ")"}), ElementsAre("", "", " ( [Hi)", ""));
  EXPECT_THAT(merged({" say", " “", "yes", "”", "!"}), ElementsAre(" say", "", " “yes”!", "", ""));
  EXPECT_THAT(merged({"あ", "。", "い", "、"}), ElementsAre("あ。", "", "い、", ""));
}

TEST(MergePunctuations, LeavesOthersAlone) {
  EXPECT_THAT(merged({" a", " b"}), ElementsAre(" a", " b"));
  EXPECT_THAT(merged({" a", "(", "b"}), ElementsAre(" a", "(", "b"));
  EXPECT_THAT(merged({"a ", "."}), ElementsAre("a ", "."));
  EXPECT_THAT(merged({" ("}), ElementsAre(" ("));
  EXPECT_THAT(merged({}), ElementsAre());
}

}  // namespace
}  // namespace stenod::text
