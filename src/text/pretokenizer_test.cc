#include "text/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stenod::text {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) parts.emplace_back(take_pretoken(text));
  return parts;
}

TEST(Pretokenizer, WordsTakeTheSpaceBeforeThem) {
  EXPECT_THAT(split("Hello big world"), ElementsAre("Hello", " big", " world"));
  EXPECT_THAT(split(" a"), ElementsAre(" a"));
  EXPECT_THAT(split("\ta\u00A0b"), ElementsAre("\t", "a", "\u00A0", "b")) << "no other white space";
}

TEST(Pretokenizer, LettersNumbersAndOthersPart) {
  EXPECT_THAT(split("ab12c3.5, 7%!"), ElementsAre("ab", "12", "c", "3", ".", "5", ",", " 7", "%!"));
  EXPECT_THAT(split("日本2語"), ElementsAre("日本", "2", "語"));
  EXPECT_THAT(split("e\u0301a"), ElementsAre("e", "\u0301", "a")) << "a mark is no letter";
  EXPECT_THAT(split("hi 😀😀 ½"), ElementsAre("hi", " 😀😀", " ½"));
}

TEST(Pretokenizer, Contractions) {
  EXPECT_THAT(
      split("I'm he's we'll you've they're she'd can't"),
      ElementsAre("I", "'m", " he", "'s", " we", "'ll", " you", "'ve", " they", "'re", " she", "'d", " can", "'t"));
  EXPECT_THAT(split("I'M"), ElementsAre("I", "'", "M")) << "lower case only";
  EXPECT_THAT(split("'sun 's ''s 'x"), ElementsAre("'s", "un", " '", "s", " ''", "s", " '", "x"));
  EXPECT_THAT(split("''s"), ElementsAre("''", "s"));
  EXPECT_THAT(split("a's'l"), ElementsAre("a", "'s", "'", "l"));
}

TEST(Pretokenizer, WhiteSpaceLeavesOneForWhatFollows) {
  EXPECT_THAT(split("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(split("a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(split("a \nb"), ElementsAre("a", " ", "\n", "b"));
  EXPECT_THAT(split("a\u3000\u3000b"), ElementsAre("a", "\u3000", "\u3000", "b"));
  EXPECT_THAT(split("a\nb"), ElementsAre("a", "\n", "b"));
  EXPECT_THAT(split("a  "), ElementsAre("a", "  ")) << "nothing follows";
  EXPECT_THAT(split("   "), ElementsAre("   "));
  EXPECT_THAT(split(" "), ElementsAre(" "));
  EXPECT_THAT(split("  's"), ElementsAre(" ", " '", "s"));
}

}  // namespace
}  // namespace stenod::text
