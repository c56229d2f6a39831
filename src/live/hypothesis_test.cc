#include "live/hypothesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace stenod::live {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Words of 0.3 s with the given pauses behind them; tokens are 10, 11, …
struct Spoken {
  const char* text;
  double pause_s = 0;
};
Hypothesis say(std::initializer_list<Spoken> words) {
  Hypothesis hypothesis;
  hypothesis.has_times = true;
  double at = 0;
  for (const Spoken& word : words) {
    const int token = 10 + static_cast<int>(hypothesis.words.size());
    hypothesis.words.push_back({word.text, {token}, at, at + 0.3, 0.9f});
    at += 0.3 + word.pause_s;
  }
  return hypothesis;
}

engine::TextFunctions one_word_a_token() {
  engine::TextFunctions text;
  text.split_words = [](std::span<const int> tokens, int) {
    static const char* const kTexts[] = {" And", " so", ",", " my"};
    std::vector<text::WordTokens> words;
    for (const int token : tokens) words.push_back({kTexts[token], {token}});
    return words;
  };
  return text;
}

TEST(Hypothesis, TextAndTokensOfSomeWords) {
  const Hypothesis hypothesis = say({{" And"}, {" so,"}, {" my"}});
  EXPECT_EQ(hypothesis.text(), " And so, my");
  EXPECT_EQ(hypothesis.text(1, 2), " so,");
  EXPECT_THAT(hypothesis.tokens(1, 3), ElementsAre(11, 12));
  EXPECT_THAT(hypothesis.tokens(1, 1), IsEmpty());
  EXPECT_EQ(Hypothesis().text(), "");
}

TEST(MakeHypothesis, TakesTheWordsWithTheirTimesWhereTheEngineFoundThem) {
  engine::WindowResult result;
  engine::Segment& segment = result.segments.emplace_back();
  segment.tokens = {7, 8, 9};
  segment.words = {{" one", 0, 1, 0.1, 0.4, 0.5f}, {" two", 1, 2, 0.4, 0.9, 0.75f}};
  const Hypothesis hypothesis = make_hypothesis(result, one_word_a_token());
  EXPECT_TRUE(hypothesis.has_times);
  ASSERT_EQ(hypothesis.words.size(), 2u);
  EXPECT_EQ(hypothesis.words[1].text, " two");
  EXPECT_THAT(hypothesis.words[1].tokens, ElementsAre(8, 9));
  EXPECT_EQ(hypothesis.words[1].start_s, 0.4);
  EXPECT_EQ(hypothesis.words[1].end_s, 0.9);
  EXPECT_EQ(hypothesis.words[1].probability, 0.75f);
}

TEST(MakeHypothesis, CutsTheTokensIntoWordsOtherwise) {
  engine::WindowResult result;
  result.segments.emplace_back().tokens = {0, 1, 2, 3};
  const Hypothesis hypothesis = make_hypothesis(result, one_word_a_token());
  EXPECT_FALSE(hypothesis.has_times);
  ASSERT_EQ(hypothesis.words.size(), 3u);
  EXPECT_EQ(hypothesis.words[1].text, " so,") << "punctuation belongs to the word before it";
  EXPECT_THAT(hypothesis.words[1].tokens, ElementsAre(1, 2));
  EXPECT_EQ(hypothesis.text(), " And so, my");
}

TEST(MakeHypothesis, WhatWasSuppressedHasNoWords) {
  engine::WindowResult result;
  result.suppressed = whisper::QualityIssue::kNoSpeech;
  EXPECT_THAT(make_hypothesis(result, one_word_a_token()).words, IsEmpty());
}

TEST(NumAgreedWords, CountsFromTheStartUpToTheFirstDifference) {
  const Hypothesis a = say({{" And"}, {" so"}, {" my"}});
  EXPECT_EQ(num_agreed_words(a, a), 3u);
  EXPECT_EQ(num_agreed_words(a, say({{" And"}, {" so"}, {" my"}, {" fellow"}})), 3u);
  EXPECT_EQ(num_agreed_words(a, say({{" And"}, {" soon"}, {" my"}})), 1u);
  EXPECT_EQ(num_agreed_words(a, say({{" Hand"}, {" so"}, {" my"}})), 0u);
  EXPECT_EQ(num_agreed_words(a, {}), 0u);
}

TEST(NumAgreedWords, MarksAndCapitalsAreNoDifference) {
  const Hypothesis a = say({{" And"}, {" so"}, {" don't"}});
  EXPECT_EQ(num_agreed_words(a, say({{" and"}, {" so,"}, {" Dont."}})), 3u);
  EXPECT_EQ(num_agreed_words(say({{" é"}, {" -"}}), say({{" É"}, {" -"}})), 0u) << "capitals of ASCII alone";
}

TEST(ChooseCut, TakesTheLongestPause) {
  const Hypothesis hypothesis = say({{" a", 0.3}, {" b", 0.6}, {" c", 0.4}, {" d"}});
  EXPECT_EQ(choose_cut(hypothesis, 0, 4, 100, 0.25), 2u);
  EXPECT_EQ(choose_cut(hypothesis, 0, 4, 100, 0.7), std::nullopt);
}

TEST(ChooseCut, TheEndOfASentenceIsBetterThanAnyPause) {
  EXPECT_EQ(choose_cut(say({{" a.", 0}, {" b", 0.9}, {" c"}}), 0, 3, 100, 0.25), 1u);
  EXPECT_EQ(choose_cut(say({{" a?", 0.1}, {" b!", 0.4}, {" c.", 0.2}, {" d"}}), 0, 4, 100, 0.25), 2u);
  for (const char* end : {"。", "？", "！"}) EXPECT_EQ(choose_cut(say({{end}, {" b"}}), 0, 2, 100, 9), 1u) << end;
  EXPECT_EQ(choose_cut(say({{" a,"}, {" b"}}), 0, 2, 100, 9), std::nullopt);
}

TEST(ChooseCut, OfLikePlacesTheLastOne) {
  EXPECT_EQ(choose_cut(say({{" a."}, {" b"}, {" c."}, {" d"}}), 0, 4, 100, 9), 3u);
}

TEST(ChooseCut, LiesBetweenTheFewestAndTheMostWords) {
  const Hypothesis hypothesis = say({{" a.", 1}, {" b", 0.5}, {" c.", 1}, {" d"}});
  EXPECT_EQ(choose_cut(hypothesis, 2, 2, 100, 0.25), 2u);
  EXPECT_EQ(choose_cut(hypothesis, 0, 2, 100, 0.25), 1u);
  EXPECT_EQ(choose_cut(hypothesis, 2, 4, 100, 0.25), 3u);
  EXPECT_EQ(choose_cut(hypothesis, 3, 2, 100, 0.25), std::nullopt);
}

TEST(ChooseCut, NeverBeforeTheFirstOrBehindTheLastWord) {
  EXPECT_EQ(choose_cut(say({{" a."}}), 0, 1, 100, -1), std::nullopt);
  EXPECT_EQ(choose_cut(say({{" a"}, {" b."}}), 0, 2, 100, -1), 1u);
  EXPECT_EQ(choose_cut({}, 0, 5, 100, -1), std::nullopt);
}

TEST(ChooseCut, LeavesWordsAloneThatEndTooLate) {
  const Hypothesis hypothesis = say({{" a", 0.3}, {" b.", 0.3}, {" c"}});  // b ends at 0.9
  EXPECT_EQ(choose_cut(hypothesis, 0, 3, 0.95, 0.25), 2u);
  EXPECT_EQ(choose_cut(hypothesis, 0, 3, 0.85, 0.25), 1u);
  EXPECT_EQ(choose_cut(hypothesis, 0, 3, 0.2, 0.25), std::nullopt);
}

TEST(ChooseCut, AnyPlaceWillDoInTheEnd) { EXPECT_EQ(choose_cut(say({{" a"}, {" b"}, {" c"}}), 0, 3, 100, -1), 2u); }

}  // namespace
}  // namespace stenod::live
