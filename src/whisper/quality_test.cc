#include "whisper/quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace stenod::whisper {
namespace {

TEST(Quality, WindowsGrowFromAttemptToAttempt) {
  struct Case {
    int real_frames, first, second, third;
  };
  for (const Case& c : {Case{1, 144, 288, 1500}, Case{16, 144, 288, 1500}, Case{17, 160, 320, 1500},
                        Case{350, 480, 960, 1500}, Case{640, 768, 1500, 1500}, Case{1360, 1488, 1500, 1500},
                        Case{1361, 1500, 1500, 1500}, Case{1500, 1500, 1500, 1500}}) {
    EXPECT_EQ(window_frames(c.real_frames, 0, WindowPolicy::kProportional), c.first) << c.real_frames;
    EXPECT_EQ(window_frames(c.real_frames, 1, WindowPolicy::kProportional), c.second) << c.real_frames;
    EXPECT_EQ(window_frames(c.real_frames, 2, WindowPolicy::kProportional), c.third) << c.real_frames;
    EXPECT_EQ(window_frames(c.real_frames, 0, WindowPolicy::kFull), 1500);
    EXPECT_EQ(window_frames(c.real_frames, 0, WindowPolicy::kTenSeconds), std::max(c.first, kTenSecondsFrames));
    EXPECT_EQ(window_frames(c.real_frames, 1, WindowPolicy::kTenSeconds), std::max(c.second, 2 * kTenSecondsFrames));
    EXPECT_EQ(window_frames(c.real_frames, 2, WindowPolicy::kTenSeconds), 1500);
  }
}

QualityFigures good() {
  return {.avg_logprob = -0.3f,
          .no_speech_prob = 0.1f,
          .compression_ratio = 1.4f,
          .num_text_tokens = 20,
          .max_text_tokens = 76,  // 5 s of English
          .finish = FinishReason::kEndOfText};
}

void expect_assessment(const QualityFigures& figures, bool may_repeat, Verdict verdict,
                       std::optional<QualityIssue> issue) {
  const auto got = assess(figures, {}, {.longer_window = may_repeat});
  EXPECT_EQ(got.verdict, verdict);
  EXPECT_EQ(got.issue, issue);
}

TEST(Quality, GoodResultsAreAccepted) {
  expect_assessment(good(), true, Verdict::kAccept, std::nullopt);
  expect_assessment(good(), false, Verdict::kAccept, std::nullopt);
}

TEST(Quality, UnsureTextWithoutSpeechIsRepeatedAndThenSuppressed) {
  auto figures = good();
  figures.no_speech_prob = 0.61f;
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);  // sure of its text
  expect_assessment(figures, false, Verdict::kAccept, std::nullopt);
  figures.avg_logprob = -1.0f;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kNoSpeech);
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kNoSpeech);
  figures.no_speech_prob = 0.6f;
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);
}

TEST(Quality, WhatAnotherChoiceOfTokensMayHelpIsTriedWarmer) {
  const auto expect_verdict = [](const QualityFigures& figures, Verdict verdict) {
    EXPECT_EQ(assess(figures, {}, {.warmer = true}).verdict, verdict);
    EXPECT_EQ(assess(figures, {}, {.longer_window = true, .warmer = true}).verdict, Verdict::kLongerWindow);
  };
  auto figures = good();
  figures.compression_ratio = 2.5f;
  expect_verdict(figures, Verdict::kWarmer);
  figures = good();
  figures.avg_logprob = -1.1f;
  expect_verdict(figures, Verdict::kWarmer);
  figures = good();
  figures.finish = FinishReason::kRepetition;
  expect_verdict(figures, Verdict::kWarmer);
  figures = good();
  figures.finish = FinishReason::kTokenLimit;
  expect_verdict(figures, Verdict::kWarmer);

  // A fast speaker, an uncertain language and silence stay what they are.
  figures = good();
  figures.num_text_tokens = 60;
  expect_verdict(figures, Verdict::kAccept);
  figures = good();
  figures.language_probability = 0.3f;
  expect_verdict(figures, Verdict::kAccept);
  figures = good();
  figures.no_speech_prob = 0.9f;
  figures.avg_logprob = -2;
  expect_verdict(figures, Verdict::kSuppress);
}

TEST(Quality, NoSpeechComesBeforeOtherDoubts) {
  auto figures = good();
  figures.no_speech_prob = 0.9f;
  figures.avg_logprob = -2;
  figures.compression_ratio = 5;
  figures.finish = FinishReason::kRepetition;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kNoSpeech);
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kNoSpeech);
  figures.avg_logprob = -0.5f;  // sure of its text, which goes round in circles all the same
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kRepetition);
}

TEST(Quality, StricterThresholdsDoubtMore) {
  const QualityThresholds strict = {.no_speech_prob = 0.2f, .avg_logprob = -0.5f};
  auto figures = good();
  EXPECT_EQ(assess(figures, strict, {}).verdict, Verdict::kAccept);
  figures.no_speech_prob = 0.3f;
  EXPECT_EQ(assess(figures, strict, {}).verdict, Verdict::kAccept);
  figures.avg_logprob = -0.6f;
  EXPECT_EQ(assess(figures, strict, {.longer_window = true}).verdict, Verdict::kLongerWindow);
  EXPECT_EQ(assess(figures, strict, {}).verdict, Verdict::kSuppress);
  expect_assessment(figures, false, Verdict::kAccept, std::nullopt);
}

TEST(Quality, NoTextIsNoSpeechWhereTheModelSaysSo) {
  auto figures = good();
  figures.num_text_tokens = 0;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kEmpty);
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kEmpty);
  figures.no_speech_prob = 0.9f;
  expect_assessment(figures, true, Verdict::kSuppress, QualityIssue::kNoSpeech);  // at once
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kNoSpeech);
}

TEST(Quality, ImprobableTextIsRepeatedAndThenGiven) {
  auto figures = good();
  figures.avg_logprob = -1.01f;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kLowLogprob);
  expect_assessment(figures, false, Verdict::kAccept, QualityIssue::kLowLogprob);
}

TEST(Quality, TooMuchTextIsRepeatedAndThenGiven) {
  auto figures = good();
  figures.num_text_tokens = 50;  // two thirds
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);
  figures.num_text_tokens = 51;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kTokenRate);
  expect_assessment(figures, false, Verdict::kAccept, QualityIssue::kTokenRate);
  figures.max_text_tokens = 266;  // 5 s of Bengali
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);
  figures.num_text_tokens = 5;
  figures.finish = FinishReason::kTokenLimit;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kTokenRate);
}

TEST(Quality, ADoubtfulLanguageIsRepeatedAndThenGiven) {
  auto figures = good();
  figures.language_probability = 0.6f;
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);
  figures.language_probability = 0.59f;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kLanguage);
  expect_assessment(figures, false, Verdict::kAccept, QualityIssue::kLanguage);
}

TEST(Quality, RepetitiveTextIsRepeatedAndThenSuppressed) {
  auto figures = good();
  figures.compression_ratio = 2.4f;
  expect_assessment(figures, true, Verdict::kAccept, std::nullopt);
  figures.compression_ratio = 2.41f;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kCompressionRatio);
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kCompressionRatio);
}

TEST(Quality, WhatIsLeftOfALoopIsGivenWhenItIsProbable) {
  auto figures = good();
  figures.finish = FinishReason::kRepetition;
  expect_assessment(figures, true, Verdict::kLongerWindow, QualityIssue::kRepetition);
  expect_assessment(figures, false, Verdict::kAccept, QualityIssue::kRepetition);
  figures.avg_logprob = -1.5f;
  expect_assessment(figures, false, Verdict::kSuppress, QualityIssue::kRepetition);
}

TEST(Quality, IssuesHaveDistinctNames) {
  std::set<std::string_view> names;
  for (const auto issue :
       {QualityIssue::kNoSpeech, QualityIssue::kRepetition, QualityIssue::kCompressionRatio, QualityIssue::kLowLogprob,
        QualityIssue::kTokenRate, QualityIssue::kLanguage, QualityIssue::kEmpty}) {
    EXPECT_FALSE(issue_name(issue).empty());
    EXPECT_TRUE(names.insert(issue_name(issue)).second);
  }
}

TEST(Quality, ARepeatedTextIsLookedAtAgainButGivenInTheEnd) {
  EXPECT_TRUE(is_repeated(std::vector{1, 2, 3, 4, 1, 2, 3, 4}));
  EXPECT_FALSE(is_repeated(std::vector{1, 2, 3, 1, 2, 3}));  // people do say short things twice
  EXPECT_FALSE(is_repeated(std::vector{1, 2, 3, 4, 1, 2, 3, 4, 5}));
  EXPECT_FALSE(is_repeated(std::vector{1, 2, 3, 4, 1, 2, 3, 5}));
  EXPECT_FALSE(is_repeated({}));
  EXPECT_TRUE(is_repeated(std::vector{1, 2, 1, 2, 1, 2}));
  EXPECT_TRUE(is_repeated(std::vector{1, 2, 3, 1, 2, 3, 1, 2, 3, 1}));
  EXPECT_FALSE(is_repeated(std::vector{1, 1, 1, 1, 1})) << "no no no no no";
  EXPECT_FALSE(is_repeated(std::vector{1, 2, 1, 2, 1}));
  EXPECT_FALSE(is_repeated(std::vector{1, 2, 1, 2, 1, 2, 3}));
  EXPECT_TRUE(is_repeated(std::vector{8, 9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3})) << "five times, in a text";
  EXPECT_FALSE(is_repeated(std::vector{8, 9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 4, 3}));
  EXPECT_TRUE(is_repeated(std::vector{8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3})) << "ten times";
  EXPECT_FALSE(is_repeated(std::vector{8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3}));
  EXPECT_FALSE(is_repeated(std::vector{8, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3}, 5)) << "some of it was given";
  // Of 9 9 1 2 some was given.
  const std::vector doubled{9, 9, 1, 2, 3, 4, 1, 2, 3, 4};
  EXPECT_FALSE(is_repeated(doubled));
  EXPECT_TRUE(is_repeated(doubled, 2));
  EXPECT_TRUE(is_repeated(doubled, 4)) << "the beginning of the first time";
  EXPECT_TRUE(is_repeated(doubled, 6)) << "all of it";
  EXPECT_FALSE(is_repeated(doubled, 7)) << "that was given";
  EXPECT_FALSE(is_repeated(doubled, 10));
  EXPECT_FALSE(is_repeated(doubled, 11));
  QualityFigures figures{.avg_logprob = -0.3f,
                         .no_speech_prob = 0.1f,
                         .compression_ratio = 1.9f,
                         .num_text_tokens = 8,
                         .max_text_tokens = 60,
                         .is_repeated = true};
  EXPECT_EQ(assess(figures, {}, {.longer_window = true}).verdict, Verdict::kLongerWindow);
  EXPECT_EQ(assess(figures, {}, {}).verdict, Verdict::kAccept);
  EXPECT_EQ(assess(figures, {}, {}).issue, QualityIssue::kRepetition);
}

}  // namespace
}  // namespace stenod::whisper
