#include "transcribe/hallucination.h"

#include <gtest/gtest.h>

#include <vector>

namespace stenod::transcribe {
namespace {

/// A segment of four words, spoken or made up.
engine::Segment segment(double start_s, double end_s, bool made_up = false) {
  engine::Segment made{.start_s = start_s, .end_s = end_s, .text = {}, .tokens = {}, .words = {}};
  const double length_s = (end_s - start_s) / 4;
  for (int i = 0; i < 4; ++i) {
    made.words.push_back({" word", 0, 1, start_s + i * length_s, start_s + (i + 1) * length_s, made_up ? 0.05f : 0.9f});
  }
  return made;
}

constexpr SpokenContext kContext = {.threshold_s = 2, .window_start_s = 100, .last_speech_s = 99, .window_s = 30};

TEST(Hallucination, SpokenTextStays) {
  const std::vector<engine::Segment> segments = {segment(5, 7), segment(15, 17)};
  EXPECT_FALSE(find_hallucination(segments, kContext));
  EXPECT_FALSE(find_hallucination({}, kContext));
  EXPECT_FALSE(find_hallucination(std::vector{engine::Segment{}}, kContext)) << "no words to judge";
}

TEST(Hallucination, SilenceBeforeTheFirstSegmentIsSkipped) {
  const auto skip = find_hallucination(std::vector{segment(5, 7, true), segment(8, 9)}, kContext);
  ASSERT_TRUE(skip);
  EXPECT_EQ(skip->num_segments, 0u);
  EXPECT_EQ(skip->next_s, 5);
}

TEST(Hallucination, TextBetweenSilencesIsTakenOff) {
  const auto skip = find_hallucination(std::vector{segment(0, 4), segment(10, 12, true), segment(20, 22)}, kContext);
  ASSERT_TRUE(skip);
  EXPECT_EQ(skip->num_segments, 1u);
  EXPECT_EQ(skip->next_s, 10);
}

TEST(Hallucination, TextBesideSpeechStays) {
  EXPECT_FALSE(find_hallucination(std::vector{segment(0, 4), segment(4, 6, true), segment(20, 22)}, kContext));
  EXPECT_FALSE(find_hallucination(std::vector{segment(0, 4), segment(10, 12, true), segment(12, 14)}, kContext));
}

TEST(Hallucination, OneBesideAnotherCountsAsSilence) {
  const auto skip =
      find_hallucination(std::vector{segment(0, 4), segment(10, 12, true), segment(12, 14, true)}, kContext);
  ASSERT_TRUE(skip);
  EXPECT_EQ(skip->num_segments, 1u);
}

TEST(Hallucination, TheWindowsEdgesCountAsSilence) {
  // At least a second on, so that there is progress.
  const auto first = find_hallucination(std::vector{segment(0.5, 1.5, true), segment(20, 22)}, kContext);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->num_segments, 0u);
  EXPECT_EQ(first->next_s, 1);
  const auto last = find_hallucination(std::vector{segment(16, 20), segment(25, 29, true)}, kContext);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->next_s, 25);
}

TEST(Hallucination, AtTheEndTheRestIsSkipped) {
  SpokenContext context = kContext;
  context.end_s = 130.5;
  const auto skip = find_hallucination(std::vector{segment(16, 20), segment(25, 29, true)}, context);
  ASSERT_TRUE(skip);
  EXPECT_EQ(skip->num_segments, 1u);
  EXPECT_EQ(skip->next_s, 30.5);
}

TEST(Hallucination, WordsAreStrangeByTheirLengthToo) {
  engine::Segment slow = segment(10, 20);  // 2.5 s a word: four times half a point
  EXPECT_FALSE(find_hallucination(std::vector{segment(0, 4), slow, segment(25, 26)}, kContext));
  slow = segment(8, 20);  // 3 s a word: four points
  EXPECT_TRUE(find_hallucination(std::vector{segment(0, 4), slow, segment(25, 26)}, kContext));
  EXPECT_TRUE(find_hallucination(std::vector{segment(0, 4), segment(10, 10.04), segment(25, 26)}, kContext));
}

}  // namespace
}  // namespace stenod::transcribe
