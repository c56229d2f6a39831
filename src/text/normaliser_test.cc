#include "text/normaliser.h"

#include <gtest/gtest.h>

#include <string>

namespace stenod::text {
namespace {

// The expected texts are those of openai-whisper's normalisers (PyPI: whisper-normalizer 0.1.15).

struct Case {
  const char* text;
  const char* expected;
};

void expect_english(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(normalise_english(c.text), c.expected) << c.text;
}

void expect_basic(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(normalise_basic(c.text), c.expected) << c.text;
}

TEST(Normaliser, RemovesAsides) {
  expect_english({{"[noise] yes <unk> no", "yes no"},
                  {"a (laughs) b", "a b"},
                  {"a () b", "a b"},
                  {"((a) b", "b"},
                  {"[open", "open"},
                  {"close] it", "close it"},
                  {"<a]b", "b"}});
}

TEST(Normaliser, RemovesHesitations) {
  expect_english({{"Uh, I um think, hmm.", "i think"}, {"umbrella uhh mm-hm MHM", "umbrella uhh hm"}});
}

TEST(Normaliser, WritesContractionsOut) {
  expect_english({{"I can't, won't and don't.", "i can not will not and do not"},
                  {"Let's go; y'all gonna wanna.", "let us go you all going to want to"},
                  {"He's been, she'd gone, they'd done it", "he has been she had gone they had done it"},
                  {"it 's what I 've got", "it is what i have got"},
                  {"rock 'n' roll isn't", "rock n roll is not"},
                  {"I'ma imma coulda", "i am going to i am going to could have"},
                  {"don’t", "don t"}});
}

TEST(Normaliser, WritesTitlesOut) {
  expect_english({{"Mr. Park visited Mrs. Lee", "mister park visited missus lee"},
                  {"St. John's, Dr. No, Jr.", "saint john is doctor no junior"},
                  {"mrs mr", "missus mister"}});
}

TEST(Normaliser, KeepsPeriodsOnlyInNumbers) {
  expect_english({{"e.g. 3.14. And... 1,000,000.5", "e g 3.14 and 1000000.5"},
                  {"1,2,3,4", "12 34"},
                  {"version 1.2.3 at 192.168.0.1.", "version one.2.3 at 192.168.0 one"}});
}

TEST(Normaliser, RemovesDiacritics) {
  expect_english({{"Café Ångström Łódź straße ŒUVRE þorn đ", "cafe angstrom lodz strasse oeuvre thorn d"},
                  {"ﬁne ½ cup ①", "fine one 2 cup one"}});
}

TEST(Normaliser, ReadsWholeNumbers) {
  expect_english({{"twenty five", "25"},
                  {"nineteen eighty four", "1984"},
                  {"two thousand and three", "2003"},
                  {"one hundred and twenty three thousand four hundred", "123400"},
                  {"oh oh seven", "007"},
                  {"one oh one", "101"},
                  {"five thousand thousand", "5000"},
                  {"zero thousand", "0"},
                  {"a hundred million", "a 100000000"},
                  {"twenty twenty", "2020"},
                  {"thirty one eleven", "3111"},
                  {"one decillion", "1000000000000000000000000000000000"},
                  {"hundred and one", "101"}});
}

TEST(Normaliser, ReadsSuffixes) {
  expect_english({{"twenty first", "21st"},
                  {"the 1960s and nineteen sixties", "the 1960s and 1960s"},
                  {"2 nd and 3rd", "2nd and 3rd"},
                  {"one hundredth", "100th"},
                  {"sixes and sevens", "6s and 7s"},
                  {"two millions", "2000000s"},
                  {"zeroth hundredth", "0th 100th"},
                  {"point five thousandths", ".5 thousandths"}});
}

TEST(Normaliser, ReadsDecimals) {
  expect_english({{"three point one four", "3.14"},
                  {"three and a half million", "3500000"},
                  {"a dog and a half", "a dog and a half"},
                  {"two point", "2 point"},
                  {"point five", ".5"},
                  {"one point two point three million", "one.2.3 1000000"},
                  {"2.50 thousand", "2500"},
                  {"one point million", "1000000"}});
}

TEST(Normaliser, ReadsCurrencies) {
  expect_english({{"$20 million", "$20000000"},
                  {"five dollars and seven cents", "$5.07"},
                  {"$0.07 or ten cents", "¢7 or ¢10"},
                  {"two pounds, $3 and ¢4", "£2 $3.04"},
                  {"twenty euros fifty", "€20 50"},
                  {"$ five", " 5"},
                  {"¢123 $5 ¢123", "¢123 $5 ¢123"}});
}

TEST(Normaliser, ReadsSignsAndPercent) {
  expect_english({{"minus five percent", "-5%"},
                  {"plus or minus three", "plus or -3"},
                  {"positively positive 7", "positively +7"},
                  {"five per cent per year", "5% per year"},
                  {"% of 20 %", "% of 20 "},
                  {"negative", "negative"}});
}

TEST(Normaliser, ReadsDoubleAndTriple) {
  expect_english({{"double oh seven", "007"},
                  {"triple nine one", "9991"},
                  {"double trouble", "double trouble"},
                  {"a double hundred", "a double 100"}});
}

TEST(Normaliser, WritesOneAsAWord) {
  expect_english({{"one", "one"}, {"1s and ones", "ones and ones"}, {"$1 a 1 21 1a", " one a one 21 one a"}});
}

TEST(Normaliser, ReadsDigitsOfEveryScript) {
  expect_english({{"٣٤ १२ １２ ３．５", "34 12 12 3.5"}, {"٣ million", "3000000"}});
}

TEST(Normaliser, SpellsAmerican) {
  expect_english({{"The colour of aluminium; organise, organised", "the color of aluminum organize organized"},
                  {"archaeology", "archeology</span>"}});
}

TEST(Normaliser, SeparatesStraySymbols) {
  expect_english({{"cost $x .y 5.a $$ 100%%", "cost x y 5 a $ 100% "}, {"a%b 5%", "a b 5%"}});
}

TEST(Normaliser, BasicKeepsDiacritics) {
  expect_basic({{"Straße, Café!", "straße café "},
                {"don't (no) [x] <y> stop", "don t stop"},
                {"e\u0301 ½ ﬁ Ⅳ", "é 1 2 fi iv"},
                {"ΟΔΥΣΣΕΥΣ ΣΑΣ Σ", "οδυσσευς σας σ"},
                {"İstanbul", "i stanbul"},
                {"a\u3000b\u00A0\tc\n", "a b c "}});
}

TEST(Normaliser, BasicTakesEveryScript) {
  expect_basic({{"你好，世界。", "你好 世界 "},
                {"こんにちは、ﾃｽﾄ", "こんにちは テスト"},
                {"Привет, «мир»!", "привет мир "},
                {"नमस्ते", "नमस त "},
                {"สวัสดี", "สว สด "}});
}

TEST(Normaliser, IllFormedBytesAreOneSymbolEach) {
  EXPECT_EQ(normalise_basic("a\xFF"
                            "b"),
            "a b");
  EXPECT_EQ(normalise_english("a\xE3\x81 b"), "a b");
}

TEST(Normaliser, NumbersMayBeOfAnyLength) {
  const std::string nines(5000, '9');
  // Of the last three digits there are a thousand, besides the rest.
  EXPECT_EQ(normalise_english(nines + " thousand"), '1' + std::string(4994, '0') + "998000");
  EXPECT_EQ(normalise_english(nines + ".5 million"), nines + "500000");
}

}  // namespace
}  // namespace stenod::text
