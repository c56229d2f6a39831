#include "quality/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::quality {
namespace {

using ::testing::HasSubstr;

const std::vector<Recording>& recordings() {
  static const std::vector<Recording> all = {{"a-1", "", "red green blue black", "en", "read"},
                                             {"a-2", "", "white brown", "en", "read"},
                                             {"b-1", "", "sieben acht", "de", "telephone"},
                                             {"n-1", "", "", "zxx", "noise"}};
  return all;
}

std::vector<RecordingResult> results(std::vector<Hypothesis> hypotheses) {
  return evaluate(recordings(), hypotheses).recordings;
}

TEST(Comparison, SaysWhatBecameBetterAndWorse) {
  const auto before = results({{"red green"}, {"white brown"}, {"sieben acht"}, {""}});
  auto after = results({{"red green blue black"}, {"white"}, {"sieben acht"}, {"hm hello"}});
  std::swap(after[0], after[2]);  // the order does not matter
  const auto comparison = compare(before, after);
  ASSERT_TRUE(comparison) << comparison.error().message;
  const GroupDifference& english = comparison->groups.front();
  EXPECT_EQ(english.name, "all en");
  EXPECT_EQ(english.num_recordings, 2u);
  EXPECT_DOUBLE_EQ(english.words_before, 2.0 / 6);
  EXPECT_DOUBLE_EQ(english.words_after, 1.0 / 6);
  EXPECT_DOUBLE_EQ(english.words.difference, -1.0 / 6);
  ASSERT_TRUE(english.words.interval);
  EXPECT_DOUBLE_EQ(english.words.interval->low, -0.5);
  EXPECT_DOUBLE_EQ(english.words.interval->high, 0.5);
  EXPECT_LT(english.characters.difference, 0);
  ASSERT_EQ(comparison->better.size(), 1u);
  EXPECT_EQ(comparison->better[0].id, "a-1");
  EXPECT_EQ(comparison->better[0].errors_before, 2u);
  EXPECT_EQ(comparison->better[0].errors_after, 0u);
  EXPECT_EQ(comparison->better[0].words, 4u);
  ASSERT_EQ(comparison->worse.size(), 1u);
  EXPECT_EQ(comparison->worse[0].id, "a-2");
  EXPECT_EQ(comparison->non_speech_before, 0u);
  EXPECT_EQ(comparison->non_speech_after, 1u);
}

TEST(Comparison, NamesOnlyThoseThatChangedMost) {
  std::vector<Recording> many;
  std::vector<Hypothesis> none, all;
  for (int i = 0; i < 20; ++i) {
    std::string text = "w";
    for (int j = 0; j < i; ++j) text += " w";
    many.push_back({std::to_string(i), "", text, "en", "read"});
    none.push_back({""});
    all.push_back({text});
  }
  const auto comparison = compare(evaluate(many, none).recordings, evaluate(many, all).recordings);
  ASSERT_TRUE(comparison);
  EXPECT_EQ(comparison->num_better, 20u);
  ASSERT_EQ(comparison->better.size(), kMaxChanges);
  EXPECT_EQ(comparison->better[0].id, "19");
  EXPECT_EQ(comparison->better[9].id, "10");
}

TEST(Comparison, RefusesOtherRecordingsAndReferences) {
  const auto before = results({{""}, {""}, {""}, {""}});
  const auto expect = [&](const std::vector<RecordingResult>& after, const std::string& message) {
    const auto comparison = compare(before, after);
    ASSERT_FALSE(comparison);
    EXPECT_EQ(comparison.error().code, ErrorCode::kReportsDiffer);
    EXPECT_THAT(comparison.error().message, HasSubstr(message));
    EXPECT_FALSE(check_comparable(before, after));
  };
  EXPECT_TRUE(check_comparable(before, before));
  auto fewer = before;
  fewer.resize(1);
  expect(fewer, "(only in the other: a-2, b-1, n-1)");
  auto more = before;
  for (int i = 0; i < 7; ++i) more.push_back({std::string("x") += std::to_string(i), "en", "read", "", ""});
  expect(more, "(not in the other: x0, x1, x2, x3, x4 and 2 more)");
  auto other_text = before;
  other_text[1].reference = "white pink";
  expect(other_text, "(other text, language or kind: a-2)");
  auto other_kind = before;
  other_kind[3].kind = "music";
  expect(other_kind, "(other text, language or kind: n-1)");
  auto other_language = before;
  other_language[2].language = "nl";
  other_language.pop_back();
  expect(other_language, "(only in the other: n-1; other text, language or kind: b-1)");
}

}  // namespace
}  // namespace stenod::quality
