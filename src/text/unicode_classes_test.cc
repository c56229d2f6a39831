#include "text/unicode_classes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace stenod::text {
namespace {

using enum CharacterClass;

TEST(UnicodeClasses, SomeOfEachKind) {
  const auto expect_all = [](std::u32string_view characters, CharacterClass expected) {
    for (const char32_t c : characters) EXPECT_EQ(character_class(c), expected) << std::hex << std::uint32_t{c};
  };
  expect_all(U"aZéßあ日ж\u05D0\u0E01ªǅʰ\U0001D400\U000323AF", kLetter);
  expect_all(U"09٩½Ⅷ²①\u3007\U0001FBF9", kNumber);
  expect_all(U"\t\n\v\f\r \u0085\u00A0\u1680\u2000\u200A\u2028\u2029\u202F\u205F\u3000", kSpace);
  expect_all(U".'_\u001C\u001F\u0301\u0E31\u200B\u200D\uFEFF\uFFFD😀€\uE000\uFFFF\U0010FFFF", kOther);
  EXPECT_EQ(character_class(0), kOther);
}

// As many as Unicode 16 has; a letter that came with it.
TEST(UnicodeClasses, EveryCodePoint) {
  std::array<int, 4> counts{};
  for (char32_t c = 0; c < 0x110000; ++c) ++counts[static_cast<std::size_t>(character_class(c))];
  EXPECT_EQ(counts[static_cast<std::size_t>(kLetter)], 141028);
  EXPECT_EQ(counts[static_cast<std::size_t>(kNumber)], 1911);
  EXPECT_EQ(counts[static_cast<std::size_t>(kSpace)], 25);
  EXPECT_EQ(character_class(0x1C89), kLetter);
}

}  // namespace
}  // namespace stenod::text
