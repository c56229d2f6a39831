#include "app/terminal_text.h"

#include <gtest/gtest.h>

#include <sstream>

namespace stenod::app {
namespace {

TEST(TerminalText, CountsColumns) {
  EXPECT_EQ(count_columns(""), 0);
  EXPECT_EQ(count_columns("hello"), 5);
  EXPECT_EQ(count_columns("größe"), 5);
  EXPECT_EQ(count_columns("語音"), 4);
  EXPECT_EQ(count_columns("e\xcc\x81"), 1) << "a combining accent";
  EXPECT_EQ(count_columns("\xff"), 1) << "no UTF-8";
  EXPECT_EQ(count_columns("안녕 hi"), 7);
}

TEST(TerminalText, FindsTheTailThatFits) {
  EXPECT_EQ(tail_offset("hello", 5), 0U);
  EXPECT_EQ(tail_offset("hello", 3), 2U);
  EXPECT_EQ(tail_offset("hello", 0), 5U);
  EXPECT_EQ(tail_offset("hello", -1), 5U);
  EXPECT_EQ(tail_offset("", 10), 0U);
  EXPECT_EQ(tail_offset("a語音", 4), 1U);
  EXPECT_EQ(tail_offset("a語音", 3), 4U) << "half of a wide character does not fit";
}

TEST(TerminalText, Wraps) {
  EXPECT_EQ(wrap("one two three", 80), "one two three");
  EXPECT_EQ(wrap("one two three", 13), "one two three");
  EXPECT_EQ(wrap("one two three", 12), "one two\nthree");
  EXPECT_EQ(wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrap("one two three", 5), "one\ntwo\nthree");
  EXPECT_EQ(wrap("incomprehensible", 6), "incomp\nrehens\nible");
  EXPECT_EQ(wrap("an incomprehensible word", 8), "an\nincompre\nhensible\nword");
  EXPECT_EQ(wrap("語音識別", 5), "語音\n識別");
  EXPECT_EQ(wrap("", 5), "");
}

TEST(TerminalText, WrappedLinesFitAndKeepTheWords) {
  const std::string text =
      "He had no sooner   heard 語音識別 of it than 안녕하세요 he fell incomprehensibly to work again.  ";
  for (int columns = 2; columns < 60; ++columns) {
    std::istringstream lines(wrap(text, columns));
    std::string line, letters;
    while (std::getline(lines, line)) {
      EXPECT_LE(count_columns(line), columns) << '"' << line << '"';
      for (const char c : line) letters += c == ' ' ? "" : std::string(1, c);
    }
    std::string expected;
    for (const char c : text) expected += c == ' ' ? "" : std::string(1, c);
    EXPECT_EQ(letters, expected) << columns;
  }
}

}  // namespace
}  // namespace stenod::app
