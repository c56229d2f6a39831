#include "live/language_choice.h"

#include <gtest/gtest.h>

namespace stenod::live {
namespace {

constexpr int kEnglish = 1, kGerman = 2;

TEST(LanguageChoice, WhatIsGivenStays) {
  LanguageChoice choice(kGerman);
  choice.hear(kEnglish, 1, 10, false);
  choice.hear(kEnglish, 1, 10, true);
  EXPECT_EQ(choice.token(), kGerman);
}

TEST(LanguageChoice, IsCertainWithEnoughProbabilityOverEnoughSpeech) {
  LanguageChoice choice(std::nullopt);
  EXPECT_EQ(choice.token(), std::nullopt);
  choice.hear(kEnglish, 0.79f, 10, false);
  EXPECT_EQ(choice.token(), std::nullopt);
  choice.hear(kEnglish, 1, 2.99, false);
  EXPECT_EQ(choice.token(), std::nullopt);
  choice.hear(kGerman, 0.8f, 3, false);
  EXPECT_EQ(choice.token(), kGerman);
  choice.hear(kEnglish, 1, 20, true);
  EXPECT_EQ(choice.token(), kGerman) << "it does not flip";
}

TEST(LanguageChoice, TheFirstFinalSettlesIt) {
  LanguageChoice choice(std::nullopt);
  choice.hear(kGerman, 0.1f, 0, true);
  EXPECT_EQ(choice.token(), kGerman);
}

TEST(LanguageChoice, NoDetectionSettlesNothing) {
  LanguageChoice choice(std::nullopt);
  choice.hear(-1, 1, 10, true);
  EXPECT_EQ(choice.token(), std::nullopt);
}

TEST(LanguageChoice, TheClientMayChangeItAndHaveItFoundOutAnew) {
  LanguageChoice choice(kEnglish);
  choice.set(kGerman);
  EXPECT_EQ(choice.token(), kGerman);
  choice.set(std::nullopt);
  EXPECT_EQ(choice.token(), std::nullopt);
  choice.hear(kEnglish, 0.9f, 4, false);
  EXPECT_EQ(choice.token(), kEnglish);
}

}  // namespace
}  // namespace stenod::live
