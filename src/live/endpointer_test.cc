#include "live/endpointer.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <limits>

namespace stenod::live {
namespace {

constexpr std::int64_t kChunk = Endpointer::kChunkSamples;

Endpointer after(std::initializer_list<float> probabilities, float threshold = 0.5f) {
  Endpointer endpointer(threshold);
  for (const float probability : probabilities) endpointer.push(probability);
  return endpointer;
}

TEST(Endpointer, SpeechBeginsWithTheChunkThatReachesTheThreshold) {
  Endpointer endpointer = after({0, 0.4f, 0.499f});
  EXPECT_FALSE(endpointer.is_open());
  EXPECT_EQ(endpointer.position(), 3 * kChunk);
  endpointer.push(0.5f);
  ASSERT_TRUE(endpointer.is_open());
  EXPECT_EQ(endpointer.speech_begin(), 3 * kChunk);
  EXPECT_EQ(endpointer.speech_end(), 4 * kChunk);
  EXPECT_EQ(endpointer.silence(), 0);
  EXPECT_EQ(endpointer.position(), 4 * kChunk);
}

TEST(Endpointer, SpeechGoesOnDownToALowerThreshold) {
  const Endpointer endpointer = after({0.9f, 0.36f, 0.36f});
  ASSERT_TRUE(endpointer.is_open());
  EXPECT_EQ(endpointer.speech_begin(), 0);
  EXPECT_EQ(endpointer.speech_end(), 3 * kChunk);
  EXPECT_EQ(endpointer.silence(), 0);
}

TEST(Endpointer, ASilenceLastsUntilTheThresholdIsReachedAgain) {
  Endpointer endpointer = after({0.9f, 0.9f, 0.34f, 0.45f, 0.45f});
  ASSERT_TRUE(endpointer.is_open()) << "a silence behind speech belongs to it until it is closed";
  EXPECT_EQ(endpointer.speech_end(), 2 * kChunk);
  EXPECT_EQ(endpointer.silence(), 3 * kChunk);
  endpointer.push(0.5f);
  EXPECT_EQ(endpointer.speech_begin(), 0);
  EXPECT_EQ(endpointer.speech_end(), 6 * kChunk);
  EXPECT_EQ(endpointer.silence(), 0);
}

TEST(Endpointer, ALowThresholdLeavesRoomForSilence) {
  EXPECT_EQ(after({0.05f, 0.02f}, 0.05f).silence(), 0);
  EXPECT_EQ(after({0.05f, 0.005f}, 0.05f).silence(), kChunk);
}

TEST(Endpointer, AfterCloseSpeechHasToBeginAnew) {
  Endpointer endpointer = after({0.9f, 0.9f});
  endpointer.close();
  EXPECT_FALSE(endpointer.is_open());
  endpointer.push(0.45f);
  EXPECT_FALSE(endpointer.is_open());
  endpointer.push(0.9f);
  ASSERT_TRUE(endpointer.is_open());
  EXPECT_EQ(endpointer.speech_begin(), 3 * kChunk);
  EXPECT_EQ(endpointer.silence(), 0);
}

TEST(Endpointer, RestartingKeepsTheSpeechThatIsStillToCome) {
  Endpointer speaking = after({0.9f, 0.9f, 0.9f});
  speaking.restart_at(kChunk + 100);
  EXPECT_EQ(speaking.speech_begin(), kChunk + 100);
  EXPECT_EQ(speaking.speech_end(), 3 * kChunk);
  EXPECT_EQ(speaking.silence(), 0);

  Endpointer silent = after({0.9f, 0, 0, 0});
  silent.restart_at(2 * kChunk);
  EXPECT_EQ(silent.speech_begin(), 2 * kChunk);
  EXPECT_EQ(silent.speech_end(), 2 * kChunk) << "speech does not end before it begins";
  EXPECT_EQ(silent.silence(), 2 * kChunk);

  Endpointer closed = after({0.9f});
  closed.close();
  closed.push(0.45f);
  closed.restart_at(kChunk);
  ASSERT_TRUE(closed.is_open());
  EXPECT_EQ(closed.silence(), kChunk) << "what is not open speech moves no end of it";
}

TEST(Endpointer, WhatIsNoProbabilityIsNoSpeech) {
  EXPECT_FALSE(after({std::numeric_limits<float>::quiet_NaN(), -1}).is_open());
}

}  // namespace
}  // namespace stenod::live
