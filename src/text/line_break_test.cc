#include "text/line_break.h"

#include <gtest/gtest.h>

namespace stenod::text {
namespace {

TEST(LineBreak, CountsWhatPeopleCallCharacters) {
  EXPECT_EQ(count_characters(""), 0);
  EXPECT_EQ(count_characters("größe"), 5);
  EXPECT_EQ(count_characters("e\xcc\x81"), 1) << "a combining accent";
  EXPECT_EQ(count_characters("字幕です。"), 5) << "wide characters are characters";
  EXPECT_EQ(count_characters("हिन्दी"), 5) << "the virama takes no room, vowel signs do";
  EXPECT_EQ(count_characters("ที่"), 1);
  EXPECT_EQ(count_characters("\xff"), 1) << "no UTF-8";
}

TEST(LineBreak, AtSpaces) {
  EXPECT_TRUE(may_break("Hello,", "world.", true));
  EXPECT_TRUE(may_break("state", "-of", true));
  EXPECT_FALSE(may_break("Hello", "world", false));
  EXPECT_FALSE(may_break("state", "-of", false)) << "a part of one word";
  EXPECT_FALSE(may_break("3", ".5", false));
  EXPECT_TRUE(may_break("안녕", "하세요", true));
  EXPECT_FALSE(may_break("안녕", "하세요", false)) << "Korean has spaces";
}

TEST(LineBreak, MarksThatStandAloneStayWithTheirWord) {
  EXPECT_FALSE(may_break("Bonjour", "!", true));
  EXPECT_FALSE(may_break("«", "Bonjour", true));
  EXPECT_FALSE(may_break("Bonjour", "»", true));
  EXPECT_TRUE(may_break("Bonjour", "(oui)", true));
}

TEST(LineBreak, BetweenCharactersOfScriptsWithoutSpaces) {
  EXPECT_TRUE(may_break("字", "幕", false));
  EXPECT_TRUE(may_break("用", "iPhone", false));
  EXPECT_FALSE(may_break("i", "Phone", false));
  EXPECT_TRUE(may_break("です", "か", false));
  EXPECT_TRUE(may_break("ครับ", "ผม", false));
  EXPECT_FALSE(may_break("字", "。", false));
  EXPECT_FALSE(may_break("「", "字", false));
  EXPECT_FALSE(may_break("字", "」", false));
  EXPECT_FALSE(may_break("コ", "ー", false));
  EXPECT_FALSE(may_break("ち", "ょ", false));
  EXPECT_FALSE(may_break("ท", "ี่", false)) << "a combining vowel";
  EXPECT_FALSE(may_break("เ", "ป", false)) << "a vowel before its consonant";
}

TEST(LineBreak, PhraseEnds) {
  EXPECT_EQ(phrase_end("world"), PhraseEnd::kNone);
  EXPECT_EQ(phrase_end(""), PhraseEnd::kNone);
  EXPECT_EQ(phrase_end("world,"), PhraseEnd::kPhrase);
  EXPECT_EQ(phrase_end("world.\""), PhraseEnd::kSentence);
  EXPECT_EQ(phrase_end("か？」"), PhraseEnd::kSentence);
  EXPECT_EQ(phrase_end("字、"), PhraseEnd::kPhrase);
  EXPECT_EQ(phrase_end("\""), PhraseEnd::kNone);
}

}  // namespace
}  // namespace stenod::text
