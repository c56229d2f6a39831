#include "text/subtitles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace stenod::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A segment of words that take half a second each, with a space before each.
Segment spoken(const std::string& text, double start = 0, std::optional<int> channel = {}) {
  Segment segment{.start = start, .end = start, .text = {}};
  segment.channel = channel;
  std::istringstream words(text);
  for (std::string word; words >> word; segment.end += 0.5) {
    segment.text += ' ' + word;
    segment.words.push_back({' ' + word, segment.end, segment.end + 0.5, 1});
  }
  return segment;
}

/// One whose words have no spaces.
Segment joined(const std::vector<std::string>& words, double start = 0) {
  Segment segment{.start = start, .end = start, .text = {}};
  for (const std::string& word : words) {
    segment.text += word;
    segment.words.push_back({word, segment.end, segment.end + 0.5, 1});
    segment.end += 0.5;
  }
  return segment;
}

std::string text_of(const Cue& cue) {
  std::string text;
  for (const CueWord& word : cue.words) text.append(word.before).append(word.text);
  return text;
}

std::vector<Cue> cues_of(const std::vector<Segment>& segments, const SubtitleOptions& options,
                         bool shows_channel = false) {
  CueBuilder builder(options, shows_channel);
  std::vector<Cue> cues;
  for (const Segment& segment : segments) {
    for (Cue& cue : builder.add(segment)) cues.push_back(std::move(cue));
  }
  for (Cue& cue : builder.finish()) cues.push_back(std::move(cue));
  return cues;
}

std::vector<std::string> texts_of(const std::vector<Segment>& segments, const SubtitleOptions& options,
                                  bool shows_channel = false) {
  std::vector<std::string> texts;
  for (const Cue& cue : cues_of(segments, options, shows_channel)) texts.push_back(text_of(cue));
  return texts;
}

TEST(Subtitles, WithoutOptionsASegmentIsACue) {
  Segment segment = spoken("one two", 1);
  segment.text = " One, two. ";
  segment.end = 3;
  CueBuilder builder({}, false);
  const auto cues = builder.add(segment);
  ASSERT_EQ(cues.size(), 1u);
  EXPECT_EQ(text_of(cues[0]), "One, two.") << "its text and times, not those of its words";
  EXPECT_EQ(cues[0].time, (IntervalMs{1000, 3000}));
  EXPECT_THAT(builder.finish(), IsEmpty());
}

TEST(Subtitles, LinesOfACueThatIsASegment) {
  const SubtitleOptions options{.max_line_width = 12};
  EXPECT_THAT(texts_of({spoken("The quick brown fox jumps over"), spoken("the dog", 9)}, options),
              ElementsAre("The quick\nbrown fox\njumps over", "the dog"));
  const auto cues = cues_of({spoken("The quick brown", 1)}, options);
  EXPECT_EQ(cues[0].time, (IntervalMs{1000, 2500}));
}

TEST(Subtitles, LinesAreAsLongAsEachOther) {
  EXPECT_THAT(texts_of({spoken("aaaaaaaaaa bbbbbbbbbb cc")}, {.max_line_width = 21}),
              ElementsAre("aaaaaaaaaa\nbbbbbbbbbb cc"));
  EXPECT_THAT(texts_of({spoken("aaaaaaaaaaaaaaa bbbb bbbb bbbb cc")}, {.max_line_width = 15}),
              ElementsAre("aaaaaaaaaaaaaaa\nbbbb bbbb\nbbbb cc"));
  EXPECT_THAT(texts_of({spoken("I think so, but she knew it")}, {.max_line_width = 20}),
              ElementsAre("I think so,\nbut she knew it"))
      << "rather than after 'but'";
}

TEST(Subtitles, LongWordsAreNeverSplit) {
  EXPECT_THAT(texts_of({spoken("a Donaudampfschifffahrt b")}, {.max_line_width = 5}),
              ElementsAre("a\nDonaudampfschifffahrt\nb"));
  EXPECT_THAT(texts_of({joined({" a", " state", "-of", "-the", "-art", " thing"})}, {.max_line_width = 10}),
              ElementsAre("a\nstate-of-the-art\nthing"));
  EXPECT_THAT(texts_of({joined({" It", " cost", " 3", ".5", " euros"})}, {.max_line_width = 9}),
              ElementsAre("It cost\n3.5 euros"));
}

TEST(Subtitles, CuesAreFilledAcrossSegments) {
  const SubtitleOptions options{.max_line_width = 10, .max_line_count = 2};
  EXPECT_THAT(texts_of({spoken("one two."), spoken("Three four five.", 1), spoken("Six seven eight.", 3)}, options),
              ElementsAre("one two.\nThree four", "five. Six", "seven\neight."));
}

TEST(Subtitles, ACueEndsAtALongPause) {
  const SubtitleOptions options{.max_line_width = 20, .max_line_count = 2};
  EXPECT_THAT(texts_of({spoken("one"), spoken("two", 3)}, options), ElementsAre("one two")) << "3 s are not longer";
  EXPECT_THAT(texts_of({spoken("one"), spoken("two", 3.001)}, options), ElementsAre("one", "two"));
  EXPECT_THAT(texts_of({spoken("one"), spoken("two", 3.001)}, {.max_line_width = 20}), ElementsAre("one", "two"));
}

TEST(Subtitles, ACueHasOneChannel) {
  const SubtitleOptions options{.max_line_width = 20, .max_line_count = 2};
  const auto cues = cues_of({spoken("one", 0, 0), spoken("two", 0.2, 1), spoken("three", 0.4, 1)}, options);
  ASSERT_EQ(cues.size(), 2u);
  EXPECT_EQ(text_of(cues[1]), "two three");
  EXPECT_EQ(cues[0].channel, 0);
  EXPECT_EQ(cues[1].channel, 1);
}

TEST(Subtitles, WhatNamesTheChannelTakesRoom) {
  const SubtitleOptions options{.max_line_width = 9};
  EXPECT_THAT(texts_of({spoken("one three", 0, 1)}, options, false), ElementsAre("one three"));
  EXPECT_THAT(texts_of({spoken("one three", 0, 1)}, options, true), ElementsAre("one\nthree"));
}

TEST(Subtitles, WordsOfACue) {
  EXPECT_THAT(texts_of({spoken("a b c d e"), spoken("f", 9)}, {.max_words_per_line = 2}),
              ElementsAre("a b", "c d", "e", "f"));
  EXPECT_THAT(texts_of({spoken("aaaa bbbb cccc dddd eeee")}, {.max_line_width = 9, .max_words_per_line = 3}),
              ElementsAre("aaaa\nbbbb cccc", "dddd eeee"));
  EXPECT_THAT(texts_of({spoken("a b c"), spoken("d e f", 2)},
                       {.max_line_width = 9, .max_line_count = 2, .max_words_per_line = 4}),
              ElementsAre("a b c d", "e f"));
}

TEST(Subtitles, AShortWordIsNoCueOfItsOwn) {
  EXPECT_THAT(texts_of({spoken("one two three four")}, {.max_words_per_line = 3}),
              ElementsAre("one two", "three four"));
  EXPECT_THAT(texts_of({spoken("and there was nobody who believed it")}, {.max_line_width = 33, .max_line_count = 1}),
              ElementsAre("and there was nobody", "who believed it"));
  EXPECT_THAT(texts_of({spoken("one two three tremendously")}, {.max_words_per_line = 3}),
              ElementsAre("one two three", "tremendously"));
  EXPECT_THAT(texts_of({spoken("Do you believe that? Yes.")}, {.max_words_per_line = 4}),
              ElementsAre("Do you believe that?", "Yes."))
      << "a sentence of its own";
  EXPECT_THAT(texts_of({spoken("one two three")}, {.max_words_per_line = 1}), ElementsAre("one", "two", "three"));
  const auto cues = cues_of({spoken("one two three four")}, {.max_words_per_line = 3});
  EXPECT_EQ(cues[0].time, (IntervalMs{0, 1000})) << "times follow the words";
  EXPECT_EQ(cues[1].time, (IntervalMs{1000, 2000}));
}

TEST(Subtitles, EastAsianTextBreaksBetweenCharacters) {
  EXPECT_THAT(texts_of({joined({"これは", "字", "幕", "です", "。", "はい"})}, {.max_line_width = 6}),
              ElementsAre("これは字幕\nです。はい"));
  EXPECT_THAT(texts_of({joined({"我用", "i", "Phone", "打电话"})}, {.max_line_width = 6}),
              ElementsAre("我用\niPhone\n打电话"));
  EXPECT_THAT(texts_of({joined({"你好。"}), joined({"再见。"}, 1)}, {.max_line_width = 20, .max_line_count = 1}),
              ElementsAre("你好。再见。"));
  EXPECT_THAT(texts_of({joined({"Hello."}), joined({"Bye."}, 1)}, {.max_line_width = 20, .max_line_count = 1}),
              ElementsAre("Hello. Bye."))
      << "a space between segments, though nobody wrote it";
}

TEST(Subtitles, TextsThatAreNone) {
  const SubtitleOptions options{.max_line_width = 10, .max_line_count = 2};
  EXPECT_THAT(texts_of({}, options), IsEmpty());
  EXPECT_THAT(texts_of({joined({" ", "\n"})}, options), IsEmpty());
  EXPECT_THAT(texts_of({joined({" a", " ", "b", "\n"}), joined({" c\n\nd"}, 1)}, options), ElementsAre("a b c  d"));
  Segment without_words{.start = 0, .end = 1, .text = " No words at all."};
  EXPECT_THAT(texts_of({without_words}, options), ElementsAre("No words at all."));
}

TEST(Subtitles, CuesComeAsSoonAsTheyAreComplete) {
  CueBuilder filled({.max_line_width = 7, .max_line_count = 1}, false);
  EXPECT_THAT(filled.add(spoken("one two three")), IsEmpty()) << "the next words may belong to the last cue";
  const auto cues = filled.add(spoken("four five", 1.5));
  ASSERT_EQ(cues.size(), 2u);
  EXPECT_EQ(text_of(cues[0]), "one two");
  EXPECT_EQ(text_of(cues[1]), "three");
  EXPECT_EQ(filled.add(spoken("six", 60)).size(), 2u) << "nothing comes after a pause";
  EXPECT_EQ(filled.finish().size(), 1u);
  CueBuilder segments({.max_line_width = 7}, false);
  EXPECT_EQ(segments.add(spoken("one two three")).size(), 1u);
}

TEST(Subtitles, EveryWordIsShownWithinTheLimits) {
  std::mt19937 random(1);
  const auto number = [&random](int min, int max) { return std::uniform_int_distribution<int>(min, max)(random); };
  const auto maybe = [&](int max) { return number(0, 1) != 0 ? std::optional(number(1, max)) : std::nullopt; };
  for (int round = 0; round < 500; ++round) {
    SubtitleOptions options{.max_line_width = maybe(40), .max_words_per_line = maybe(6)};
    if (options.max_line_width) options.max_line_count = maybe(3);
    std::vector<Segment> segments;
    std::string all;
    for (double start = 0; segments.size() < 8; start = segments.back().end + number(0, 4)) {
      std::string text;
      for (int words = number(1, 20); words > 0; --words) {
        text += std::string(static_cast<std::size_t>(number(1, 12)), 'x') + (number(0, 5) != 0 ? " " : ". ");
      }
      segments.push_back(spoken(text, start));
      all += segments.back().text;
    }
    std::string shown;
    std::int64_t before = 0;
    for (const Cue& cue : cues_of(segments, options)) {
      EXPECT_LE(before, cue.time.start);
      EXPECT_LT(cue.time.start, cue.time.end);
      before = cue.time.end;
      const auto num_words = static_cast<int>(cue.words.size());
      if (options.max_words_per_line) {
        EXPECT_LE(num_words, *options.max_words_per_line);
      }
      std::istringstream lines(text_of(cue));
      int num_lines = 0;
      for (std::string line; std::getline(lines, line); ++num_lines) {
        shown += ' ' + line;
        const bool is_long = options.max_line_width && static_cast<int>(line.size()) > *options.max_line_width;
        EXPECT_FALSE(is_long && line.find(' ') != line.npos) << line;
      }
      if (options.max_line_count) {
        EXPECT_LE(num_lines, *options.max_line_count);
      }
      if (!options.max_line_width) {
        EXPECT_EQ(num_lines, 1);
      }
    }
    EXPECT_EQ(shown, all);
  }
}

TEST(Subtitles, HighlightedWords) {
  Cue cue{{1000, 4000}, {}, {{"", "a", {1000, 1500}}, {" ", "b", {2000, 3000}}, {" ", "c", {3000, 4000}}}};
  EXPECT_THAT(highlight_words(cue), ElementsAre(CuePart{{1000, 1500}, 0}, CuePart{{1500, 2000}, {}},
                                                CuePart{{2000, 3000}, 1}, CuePart{{3000, 4000}, 2}));
  cue.words[1].time = {1200, 1500};
  cue.words[2].time = {1500, 1500};
  EXPECT_THAT(highlight_words(cue), ElementsAre(CuePart{{1000, 1500}, 0}, CuePart{{1500, 4000}, {}}))
      << "nobody sees what takes no time";
  cue.words.resize(1);
  cue.time = cue.words[0].time = {1000, 1000};
  EXPECT_THAT(highlight_words(cue), ElementsAre(CuePart{{1000, 1000}, {}})) << "no text is lost";
}

TEST(Subtitles, TimesNeverGoBackAndWordsNeverOverlap) {
  Segment segment = spoken("a b c");
  segment.words[0].end = 9;
  segment.words[1].start = 0.6;
  segment.words[2].start = 0.2;
  segment.words[2].end = 0.1;
  const auto cues = cues_of({segment}, {.max_words_per_line = 1});
  ASSERT_EQ(cues.size(), 3u);
  EXPECT_EQ(cues[0].time, (IntervalMs{0, 600}));
  EXPECT_EQ(cues[1].time, (IntervalMs{600, 600}));
  EXPECT_EQ(cues[2].time, (IntervalMs{600, 600}));
}

}  // namespace
}  // namespace stenod::text
