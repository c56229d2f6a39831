#include "transcribe/language_vote.h"

#include <gtest/gtest.h>

namespace stenod::transcribe {
namespace {

TEST(LanguageVote, TheFirstThatIsCertainWins) {
  LanguageVote vote(0.5);
  EXPECT_FALSE(vote.winner());
  EXPECT_FALSE(vote.add({1, 0.4f}));
  EXPECT_FALSE(vote.add({1, 0.5f})) << "not more than the threshold";
  EXPECT_TRUE(vote.add({2, 0.6f}));
  ASSERT_TRUE(vote.winner());
  EXPECT_EQ(vote.winner()->token, 2);
  EXPECT_EQ(vote.winner()->probability, 0.6f);
}

TEST(LanguageVote, OtherwiseThatOfMostWindowsWithItsHighestProbability) {
  LanguageVote vote(0.9);
  for (const DetectedLanguage& detected :
       {DetectedLanguage{1, 0.8f}, DetectedLanguage{2, 0.3f}, DetectedLanguage{2, 0.4f}, DetectedLanguage{2, 0.2f}}) {
    EXPECT_FALSE(vote.add(detected));
  }
  EXPECT_EQ(vote.winner()->token, 2);
  EXPECT_EQ(vote.winner()->probability, 0.4f);
}

TEST(LanguageVote, OfEquallyManyTheFirst) {
  LanguageVote vote(0.9);
  vote.add({3, 0.2f});
  vote.add({1, 0.8f});
  EXPECT_EQ(vote.winner()->token, 3);
}

}  // namespace
}  // namespace stenod::transcribe
