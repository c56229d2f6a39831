#include "text/utf8.h"

#include <gtest/gtest.h>

namespace stenod::text {
namespace {

using Kind = Utf8Unit::Kind;

TEST(Utf8, ReadsTheFirstAndLastCodePointOfEveryLength) {
  for (const char32_t c : {0x00u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    std::string bytes;
    append_utf8(bytes, c);
    const Utf8Unit unit = read_utf8(bytes);
    EXPECT_EQ(unit.kind, Kind::kCodePoint);
    EXPECT_EQ(unit.code_point, c);
    EXPECT_EQ(unit.size, bytes.size());
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      const Utf8Unit part = read_utf8(std::string_view(bytes).substr(0, size));
      EXPECT_EQ(part.kind, Kind::kIncomplete) << static_cast<unsigned>(c);
      EXPECT_EQ(part.size, size);
    }
  }
}

TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string_view r = kReplacementUtf8;
  const auto times = [&](int n, std::string_view tail) {
    std::string out;
    for (int i = 0; i < n; ++i) out += r;
    return out += tail;
  };
  EXPECT_EQ(to_valid_utf8("\x80"), times(1, ""));
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), times(2, ""));          // overlong
  EXPECT_EQ(to_valid_utf8("\xE0\x80\xAF"), times(3, ""));      // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), times(3, ""));      // surrogate
  EXPECT_EQ(to_valid_utf8("\xF0\x80\x80\xAF"), times(4, ""));  // overlong
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), times(4, ""));  // above U+10FFFF
  EXPECT_EQ(to_valid_utf8("\xFF"
                          "a"),
            times(1, "a"));
  EXPECT_EQ(to_valid_utf8("\xE3\x81"
                          "a"),
            times(1, "a"));  // one subpart of two bytes
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"
                          "a"),
            times(1, "a"));
  EXPECT_EQ(to_valid_utf8("\xE3\x81\xE3\x81\x82"), times(1, "あ"));
  EXPECT_EQ(to_valid_utf8("aあ\xE3"), "aあ" + times(1, ""));
  EXPECT_EQ(to_valid_utf8("plain"), "plain");
}

TEST(Utf8, CodePointsHaveOneReplacementForEachSubpart) {
  EXPECT_EQ(to_code_points("aあ\x80\xE3\x81"), (std::u32string{U'a', U'あ', 0xFFFD, 0xFFFD}));
}

TEST(Utf8, CodePointsBecomeBytesAgain) {
  EXPECT_EQ(to_utf8(U"aäあ😀"), "aäあ😀");
  EXPECT_EQ(to_utf8(std::u32string{0xD800, U'a', 0xDFFF, 0x110000}), "\uFFFDa\uFFFD\uFFFD");
}

TEST(Utf8, StripsUnicodeWhiteSpace) {
  EXPECT_EQ(strip("  a b \n"), "a b");
  EXPECT_EQ(strip("\u3000\u00A0あ\u2003"), "あ");
  EXPECT_EQ(strip(" \t"), "");
  EXPECT_EQ(strip(""), "");
  EXPECT_EQ(strip(" \x80 "), "\x80");
}

}  // namespace
}  // namespace stenod::text
