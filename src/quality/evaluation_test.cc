#include "quality/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::quality {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names_of(const Evaluation& evaluation) {
  std::vector<std::string> names;
  for (const GroupResult& group : evaluation.groups) names.push_back(group.name);
  return names;
}

TEST(Evaluation, AddsRecordingsUpInGroups) {
  const std::vector<Recording> recordings = {{"ls-1", "", "red green blue black", "en", "read"},
                                             {"ls-2", "", "white brown", "en", "read"},
                                             {"ast-1", "", "uno dos", "es", "telephone"},
                                             {"uh-1", "", "Uh", "en", "read"},
                                             {"n-1", "", "", "zxx", "noise"},
                                             {"n-2", "", "", "zxx", "noise"}};
  const std::vector<Hypothesis> hypotheses = {{"red green blue"}, {"white pink brown"}, {"uno dos"},
                                              {"well"},           {"Thank you."},       {"[music]"}};
  const Evaluation evaluation = evaluate(recordings, hypotheses);
  EXPECT_THAT(names_of(evaluation), ElementsAre("all en", "all other", "read en", "telephone es", "set ast", "set ls"));
  const GroupResult& english = evaluation.groups[0];
  EXPECT_EQ(english.num_recordings, 2u);
  EXPECT_EQ(english.words, (EditCounts{5, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(english.word_error_rate.rate, 2.0 / 6);
  ASSERT_TRUE(english.word_error_rate.interval);
  EXPECT_DOUBLE_EQ(english.word_error_rate.interval->low, 0.25);
  EXPECT_DOUBLE_EQ(english.word_error_rate.interval->high, 0.5);
  EXPECT_EQ(evaluation.groups[1].word_error_rate.rate, 0);
  EXPECT_FALSE(evaluation.groups[1].word_error_rate.interval);

  EXPECT_FALSE(evaluation.recordings[3].is_scored());
  EXPECT_TRUE(evaluation.recordings[4].has_text_on_non_speech());
  EXPECT_EQ(evaluation.recordings[4].errors.words.insertions, 2u);
  EXPECT_FALSE(evaluation.recordings[5].has_text_on_non_speech());
  EXPECT_EQ(evaluation.num_failed(), 0u);
  EXPECT_FALSE(evaluation.timing);
}

TEST(Evaluation, FailuresCountWithWhatTextTheyHave) {
  const std::vector<Recording> recordings = {{"a", "", "red green", "en", "read"},
                                             {"b", "", "blue black", "en", "read"}};
  const Evaluation evaluation = evaluate(recordings, std::vector<Hypothesis>{{"", {}, "broken"}, {"blue", {}, "cut"}});
  EXPECT_EQ(evaluation.num_failed(), 2u);
  EXPECT_EQ(evaluation.groups[0].words, (EditCounts{1, 0, 3, 0}));
}

TEST(Evaluation, MeasuresTimesOfPartsWhereWordsHaveThem) {
  Recording recording{"long-1", "", "red green", "en", "long"};
  recording.parts = {{0.0, "red"}, {2.0, "green"}};
  const std::vector<Recording> recordings = {recording, recording};
  const Evaluation evaluation = evaluate(
      recordings, std::vector<Hypothesis>{{"red green", {{"red", 0.5, 1}, {"green", 2.25, 3}}}, {"red green"}});
  ASSERT_TRUE(evaluation.timing);
  EXPECT_EQ(evaluation.timing->num_recordings, 1u);
  EXPECT_EQ(evaluation.timing->num_parts, 2u);
  EXPECT_THAT(evaluation.timing->errors_s, ElementsAre(0.25, 0.5));
}

TEST(Evaluation, FindsTheWorst) {
  const std::vector<Recording> recordings = {{"a", "", "red green blue", "en", "read"},
                                             {"b", "", "red", "en", "read"},
                                             {"c", "", "red green", "en", "read"},
                                             {"d", "", "", "zxx", "noise"},
                                             {"e", "", "", "zxx", "noise"}};
  const Evaluation evaluation =
      evaluate(recordings, std::vector<Hypothesis>{{"green"}, {"red"}, {""}, {""}, {"hello"}});
  EXPECT_THAT(with_most_errors(evaluation.recordings, true, 10), ElementsAre(0, 2));
  EXPECT_THAT(with_most_errors(evaluation.recordings, true, 1), ElementsAre(0));
  EXPECT_THAT(with_most_errors(evaluation.recordings, false, 10), ElementsAre(4));
}

}  // namespace
}  // namespace stenod::quality
