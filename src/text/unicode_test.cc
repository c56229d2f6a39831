#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/utf8.h"

namespace stenod::text {
namespace {

std::string lower(std::string_view text) { return to_utf8(lower_case(to_code_points(text))); }

TEST(Unicode, KnowsTheCategoryOfCharacters) {
  const auto expect = [](std::u32string_view characters, MajorCategory expected) {
    for (const char32_t c : characters) EXPECT_EQ(major_category(c), expected) << static_cast<unsigned>(c);
  };
  expect(U"aÄǅʰ语", MajorCategory::kLetter);
  expect(U"\u0301\u0903\u20DD", MajorCategory::kMark);
  expect(U"7٣Ⅳ½", MajorCategory::kNumber);
  expect(U"_-([«».,。", MajorCategory::kPunctuation);
  expect(U"+$^©", MajorCategory::kSymbol);
  expect(U" \u3000\u2028\u2029", MajorCategory::kSeparator);
  expect(U"\n\u200B\uE000", MajorCategory::kOther);
  EXPECT_EQ(major_category(0x0378), MajorCategory::kOther);    // not assigned
  EXPECT_EQ(major_category(0xD800), MajorCategory::kOther);    // a surrogate
  EXPECT_EQ(major_category(0x110000), MajorCategory::kOther);  // beyond Unicode
  EXPECT_EQ(major_category(0xFFFFFFFF), MajorCategory::kOther);
  EXPECT_TRUE(is_nonspacing_mark(0x0301));
  EXPECT_FALSE(is_nonspacing_mark(0x0903));
}

TEST(Unicode, KnowsDigitsOfEveryScript) {
  for (const std::u32string_view digits : {U"0123456789", U"٠١٢٣٤٥٦٧٨٩", U"०१२३४५६७८९", U"꧐꧑꧒꧓꧔꧕꧖꧗꧘꧙"}) {
    for (std::size_t i = 0; i < digits.size(); ++i) {
      EXPECT_TRUE(is_decimal_digit(digits[i]));
      EXPECT_EQ(digit_value(digits[i]), static_cast<int>(i));
    }
  }
  EXPECT_FALSE(is_decimal_digit(U'½'));
  EXPECT_FALSE(is_decimal_digit(U'a'));
}

TEST(Unicode, WordsEndWhereTheirCharactersDo) {
  const std::u32string_view text = U"é_1, x";
  const bool expected[] = {true, false, false, true, false, true, true};
  for (std::size_t i = 0; i <= text.size(); ++i) EXPECT_EQ(is_word_boundary(text, i), expected[i]) << i;
  EXPECT_FALSE(is_word_boundary(U"", 0));
}

TEST(Unicode, LowersCase) {
  EXPECT_EQ(lower("ÄÖÜ ABC ЖЯ ǅ"), "äöü abc жя ǆ");
  EXPECT_EQ(lower("İ"), "i\u0307");
  EXPECT_EQ(lower("ΟΔΥΣΣΕΥΣ ΣΑΣ"), "οδυσσευς σας");
  EXPECT_EQ(lower("Σ aΣ' Σa"), "σ aς' σa");  // alone, at the end although ' follows, at the beginning
  EXPECT_EQ(lower("ªΣ ⓐΣ 1Σ"), "ªς ⓐς 1σ");
}

TEST(Unicode, ComposesAndDecomposes) {
  EXPECT_EQ(to_nfkd(U"éﬁ½"), U"e\u0301fi1\u20442");
  EXPECT_EQ(to_nfkc(U"e\u0301ﬁＡ"), U"éfiA");
  EXPECT_EQ(to_nfkd(U"a\u0301\u0323"), U"a\u0323\u0301");  // marks in their order
  EXPECT_EQ(to_nfkc(U"가각"), U"가각");
  EXPECT_EQ(to_nfkd(U"가").size(), 2u);
  EXPECT_EQ(to_nfkc(std::u32string{U'a', 0xD800, 0x110000}), U"a\uFFFD\uFFFD");
  EXPECT_EQ(to_nfkd(U""), U"");
  EXPECT_EQ(to_nfkd(std::u32string_view(U"a\0b", 3)), std::u32string_view(U"a\0b", 3));
}

}  // namespace
}  // namespace stenod::text
