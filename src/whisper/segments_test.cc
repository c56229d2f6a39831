#include "whisper/segments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "whisper/test_vocabulary.h"

namespace stenod::whisper {
namespace {

const SpecialTokens kTokens = test_tokens();

int ts(int frame) { return kTokens.timestamp_begin + frame; }

struct Expected {
  double start_s, end_s;
  int first_token, num_tokens;
};

void expect_segments(const std::vector<int>& decoded, int real_frames, const std::vector<Expected>& expected) {
  const auto got = split_segments(kTokens, decoded, real_frames);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].start_s, expected[i].start_s, 1e-9) << i;
    EXPECT_NEAR(got[i].end_s, expected[i].end_s, 1e-9) << i;
    EXPECT_EQ(got[i].first_token, expected[i].first_token) << i;
    EXPECT_EQ(got[i].num_tokens, expected[i].num_tokens) << i;
  }
}

TEST(Segments, NothingDecoded) {
  expect_segments({}, 100, {});
  expect_segments({ts(0)}, 100, {});
  expect_segments({ts(0), ts(50)}, 100, {});
}

TEST(Segments, OneSegmentWithBothTimes) { expect_segments({ts(5), 1, 2, ts(80)}, 100, {{0.1, 1.6, 1, 2}}); }

TEST(Segments, PairsOfTimestampsCut) {
  expect_segments({ts(0), 1, ts(20), ts(20), 2, 3, ts(40), ts(50), 4, ts(60)}, 100,
                  {{0, 0.4, 1, 1}, {0.4, 0.8, 4, 2}, {1.0, 1.2, 8, 1}});
}

TEST(Segments, TextAfterTheLastPairLastsToTheEndOfTheAudio) {
  expect_segments({ts(0), 1, ts(20), ts(25), 2, 3}, 100, {{0, 0.4, 1, 1}, {0.5, 2.0, 4, 2}});
}

TEST(Segments, WithoutTimestampsThereIsOneSegment) { expect_segments({1, 2, 3}, 75, {{0, 1.5, 0, 3}}); }

TEST(Segments, TimesAreClampedAndNeverFall) {
  expect_segments({ts(90), 1, ts(300), ts(300), 2, ts(1500)}, 100, {{1.8, 2.0, 1, 1}, {2.0, 2.0, 4, 1}});
  expect_segments({ts(50), 1, ts(20), ts(10), 2}, 100, {{1.0, 1.0, 1, 1}, {1.0, 2.0, 4, 1}});
}

// --- Cutting at sentences

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Words of 0.3 s, one right after another.
std::vector<WordSpan> words_of(const std::vector<std::string>& texts) {
  std::vector<WordSpan> words;
  for (const std::string& text : texts) {
    const auto index = static_cast<int>(words.size());
    words.push_back({text, index, 1, 0.3 * index, 0.3 * (index + 1), 1});
  }
  return words;
}

std::vector<std::size_t> cuts(const std::vector<std::string>& texts) { return cut_at_sentences(words_of(texts)); }

/// Moves everything from `word` on.
void add_pause(std::vector<WordSpan>& words, std::size_t word, double pause_s) {
  for (; word < words.size(); ++word) {
    words[word].start_s += pause_s;
    words[word].end_s += pause_s;
  }
}

TEST(SentenceCuts, NothingAndOneWord) {
  EXPECT_THAT(cuts({}), IsEmpty());
  EXPECT_THAT(cuts({" Yes"}), ElementsAre(1));
  EXPECT_THAT(cuts({" Yes."}), ElementsAre(1));
}

TEST(SentenceCuts, WithoutPunctuationThereIsOneSegment) {
  EXPECT_THAT(cuts({" go", " forward", " now"}), ElementsAre(3));
}

TEST(SentenceCuts, SentencesEnd) {
  EXPECT_THAT(cuts({" One.", " Two", " more!", " Three?", " And", " so", " on"}), ElementsAre(1, 3, 4, 7));
  EXPECT_THAT(cuts({" Well...", " yes…", " no"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(cuts({" One,", " two;", " three:", " four"}), ElementsAre(4));
}

TEST(SentenceCuts, QuotesAndBracketsStayBehindTheirSentence) {
  EXPECT_THAT(cuts({" \"Stop!\"", " (He", " did.)", " “Good.”", " ‘Yes.’", " «Oui.»", " end"}),
              ElementsAre(1, 3, 4, 5, 6, 7));
  EXPECT_THAT(cuts({" \"Stop\"", " he", " said"}), ElementsAre(3));
  EXPECT_THAT(cuts({" \"", " '", " .", "!", " go"}), ElementsAre(3, 4, 5));
}

TEST(SentenceCuts, TitlesAndInitialsDoNotEndSentences) {
  EXPECT_THAT(cuts({" Mr.", " Smith", " and", " dr.", " J.", " Doe", " vs.", " St.", " Paul."}), ElementsAre(9));
  EXPECT_THAT(cuts({" Prof.", " X."}), ElementsAre(2));
  EXPECT_THAT(cuts({" Smr.", " then", " 5.", " j.", " so"}), ElementsAre(1, 3, 4, 5));
}

TEST(SentenceCuts, AbbreviationsOfSingleLettersDoNotEndSentences) {
  EXPECT_THAT(cuts({" The", " U.S.", " Army,", " e.g.", " at", " 5", " p.m.", " sharp."}), ElementsAre(8));
  EXPECT_THAT(cuts({" At", " stenod.org.", " Version", " 3.5.", " Then", " e..", " so"}), ElementsAre(2, 4, 6, 7));
}

TEST(SentenceCuts, NoIsAnAnswerUnlessANumberFollows) {
  EXPECT_THAT(cuts({" No.", " Never.", " See", " No.", " 7", " there."}), ElementsAre(1, 2, 6));
}

TEST(SentenceCuts, MarksOfOtherScripts) {
  EXPECT_THAT(cuts({"你", "好。", "再", "见！", "吗？"}), ElementsAre(2, 4, 5));
  EXPECT_THAT(cuts({"「はい。」", "いいえ"}), ElementsAre(1, 2));
  EXPECT_THAT(cuts({" यह", " है।", " نعم؟", " لا"}), ElementsAre(2, 3, 4));
}

TEST(SentenceCuts, LongPausesCut) {
  auto words = words_of({" one", " two", " three", " four"});
  add_pause(words, 1, 1.51);
  add_pause(words, 3, 1.49);
  EXPECT_THAT(cut_at_sentences(words), ElementsAre(1, 4));
}

TEST(SentenceCuts, LongSentencesAreCutAtTheirLongestPauses) {
  auto words = words_of(std::vector<std::string>(60, " word"));  // 18 s
  add_pause(words, 15, 0.5);
  add_pause(words, 30, 1.0);
  add_pause(words, 38, 1.2);  // more than 12 s from the start
  EXPECT_THAT(cut_at_sentences(words), ElementsAre(30, 60));

  // A sentence of 12 s stays whole, whatever pauses it has.
  auto short_enough = words_of(std::vector<std::string>(36, " word"));
  add_pause(short_enough, 20, 1.19);
  EXPECT_THAT(cut_at_sentences(short_enough), ElementsAre(36));
}

TEST(SentenceCuts, NoSegmentIsLongerThanItMayBe) {
  std::vector<WordSpan> words = words_of(std::vector<std::string>(300, " word"));
  std::size_t begin = 0;
  for (const std::size_t end : cut_at_sentences(words)) {
    ASSERT_GT(end, begin);
    EXPECT_LE(words[end - 1].end_s - words[begin].start_s, kMaxSegment_s + 1e-9);
    begin = end;
  }
  EXPECT_EQ(begin, words.size());
  // Words that are too long by themselves can only be told apart.
  words = {{" a", 0, 1, 0, 13, 1}, {" b", 1, 1, 13, 26, 1}, {" c", 2, 1, 26, 27, 1}};
  EXPECT_THAT(cut_at_sentences(words), ElementsAre(1, 2, 3));
}

void expect_seek(const std::vector<int>& decoded, int frame, int num_tokens, bool single,
                 FinishReason finish = FinishReason::kEndOfText, int real_frames = 1000) {
  const SeekPoint point = find_seek_point(kTokens, decoded, real_frames, finish);
  EXPECT_EQ(point.frame, frame);
  EXPECT_EQ(point.num_tokens, num_tokens);
  EXPECT_EQ(point.ends_with_single_timestamp, single);
}

TEST(SeekPoints, TheNextWindowBeginsWithTheLastPair) {
  expect_seek({ts(0), 1, ts(200), ts(210), 2, ts(400), ts(420), 3}, 400, 6, false);
  expect_seek({ts(0), 1, ts(200), ts(210)}, 200, 3, false);
}

TEST(SeekPoints, ASingleTimestampAtTheEndEndsTheWindow) {
  expect_seek({ts(0), 1, ts(200)}, 1000, 3, true);
  expect_seek({ts(0), 1, ts(200), ts(210), 2, ts(400)}, 1000, 6, true);
}

TEST(SeekPoints, WithoutAPairTheWindowIsDone) {
  expect_seek({}, 1000, 0, false);
  expect_seek({ts(0)}, 1000, 1, false);
  expect_seek({ts(0), 1, 2}, 1000, 3, false);
}

TEST(SeekPoints, ThereIsAlwaysProgressAndNeverBeyondTheAudio) {
  expect_seek({ts(0), 1, ts(0), ts(0), 2}, 1, 3, false);
  expect_seek({ts(0), 1, ts(700), ts(700), 2}, 600, 3, false, FinishReason::kEndOfText, 600);
}

TEST(SeekPoints, TextThatWasBrokenOffGoesOnWhereItWas) {
  const std::vector<int> decoded = {ts(0), 1, ts(200)};
  expect_seek(decoded, 200, 3, false, FinishReason::kRepetition);
  expect_seek(decoded, 200, 3, false, FinishReason::kTokenLimit);
  expect_seek({ts(0), 1, ts(49)}, 1000, 3, true, FinishReason::kRepetition);
  expect_seek({ts(0), 1, ts(200), ts(200), 2}, 200, 3, false, FinishReason::kTokenLimit);
}

}  // namespace
}  // namespace stenod::whisper
