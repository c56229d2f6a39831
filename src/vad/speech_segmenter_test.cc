#include "vad/speech_segmenter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <utility>

namespace stenod::vad {

void PrintTo(const SpeechSegment& segment, std::ostream* out) { *out << segment.start << '-' << segment.end; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Segments = std::vector<SpeechSegment>;
/// Probability, number of chunks.
using Runs = std::vector<std::pair<float, int>>;

constexpr std::int64_t kChunk = SpeechSegmenter::kChunkSamples;
constexpr std::int64_t kPad400 = 6400;

SpeechSegmenter make(const SegmenterOptions& options) {
  auto segmenter = SpeechSegmenter::create(options);
  EXPECT_TRUE(segmenter) << segmenter.error().message;
  return *std::move(segmenter);
}

void push(SpeechSegmenter& segmenter, const Runs& runs, Segments& segments) {
  for (const auto& [probability, count] : runs) {
    for (int i = 0; i < count; ++i) segmenter.push(probability, segments);
  }
}

/// All segments of a recording; its last chunk lacks `missing` samples.
Segments segment(const SegmenterOptions& options, const Runs& runs, std::int64_t missing = 0) {
  SpeechSegmenter segmenter = make(options);
  Segments segments;
  push(segmenter, runs, segments);
  std::int64_t num_chunks = 0;
  for (const auto& run : runs) num_chunks += run.second;
  segmenter.finish(num_chunks * kChunk - missing, segments);
  return segments;
}

// The expectations in this file are those of faster-whisper 1.2.1's get_speech_timestamps() for the same probabilities.

TEST(SpeechSegmenter, SilenceHasNoSegments) {
  EXPECT_THAT(segment({}, {}), IsEmpty());
  EXPECT_THAT(segment({}, {{0.0F, 1000}}), IsEmpty());
  EXPECT_THAT(segment({}, {{0.49F, 1000}}), IsEmpty());
}

TEST(SpeechSegmenter, PadsWithinTheRecording) {
  EXPECT_THAT(segment({}, {{0.0F, 20}, {0.9F, 30}, {0.0F, 100}}),
              ElementsAre(SpeechSegment{20 * kChunk - kPad400, 50 * kChunk + kPad400}));
  EXPECT_THAT(segment({}, {{0.0F, 2}, {0.9F, 30}, {0.0F, 5}}, 100), ElementsAre(SpeechSegment{0, 37 * kChunk - 100}));
}

TEST(SpeechSegmenter, KeepsOnBetweenTheThresholds) {
  // 62 chunks are less than 2 s, 63 chunks are more.
  EXPECT_THAT(segment({.speech_pad_ms = 0}, {{0.5F, 1}, {0.36F, 200}, {0.34F, 62}, {0.5F, 1}, {0.34F, 64}}),
              ElementsAre(SpeechSegment{0, 264 * kChunk}));
  EXPECT_THAT(segment({.neg_threshold = 0.4, .speech_pad_ms = 0}, {{0.5F, 1}, {0.36F, 200}}),
              ElementsAre(SpeechSegment{0, kChunk}));
  EXPECT_THAT(segment({.threshold = 0.1, .speech_pad_ms = 0}, {{0.5F, 1}, {0.011F, 200}, {0.009F, 64}}),
              ElementsAre(SpeechSegment{0, 201 * kChunk}));
}

TEST(SpeechSegmenter, SharesAShortSilence) {
  const SegmenterOptions options = {.min_silence_ms = 100};
  EXPECT_THAT(
      segment(options, {{0.9F, 10}, {0.0F, 9}, {0.9F, 10}, {0.0F, 30}}),
      ElementsAre(SpeechSegment{0, 10 * kChunk + 2304}, SpeechSegment{19 * kChunk - 2304, 29 * kChunk + kPad400}));
  EXPECT_THAT(segment(options, {{0.9F, 10}, {0.0F, 25}, {0.9F, 10}}),
              ElementsAre(SpeechSegment{0, 10 * kChunk + kPad400}, SpeechSegment{35 * kChunk - kPad400, 45 * kChunk}));
}

TEST(SpeechSegmenter, DropsShortSpeech) {
  const SegmenterOptions options = {.min_speech_ms = 160, .min_silence_ms = 100, .speech_pad_ms = 100};
  EXPECT_THAT(segment(options, {{0.9F, 5}, {0.0F, 10}, {0.9F, 6}, {0.0F, 10}, {0.9F, 5}}),
              ElementsAre(SpeechSegment{15 * kChunk - 1600, 21 * kChunk + 1600}));
  // The padding is shared with the next segment that stays, not with a dropped one between.
  EXPECT_THAT(segment({.min_speech_ms = 160, .min_silence_ms = 100, .speech_pad_ms = 200},
                      {{0.9F, 9}, {0.0F, 5}, {0.9F, 1}, {0.0F, 5}, {0.9F, 9}, {0.0F, 9}}),
              ElementsAre(SpeechSegment{0, 9 * kChunk + 2816}, SpeechSegment{20 * kChunk - 2816, 29 * kChunk + 3200}));
}

TEST(SpeechSegmenter, SplitsLongSpeechAtTheLastSilence) {
  // 2 s less a chunk are 31488 samples, 61.5 chunks. Four chunks of silence are not more than 98 ms after the first.
  const SegmenterOptions options = {.max_speech_s = 2, .speech_pad_ms = 0};
  EXPECT_THAT(segment(options, {{0.9F, 20}, {0.0F, 5}, {0.9F, 10}, {0.0F, 4}, {0.9F, 50}}),
              ElementsAre(SpeechSegment{0, 20 * kChunk}, SpeechSegment{25 * kChunk, 87 * kChunk},
                          SpeechSegment{88 * kChunk, 89 * kChunk}));
  // Two silences: the later one. The rest is speech again only where the next speech starts.
  EXPECT_THAT(segment(options, {{0.9F, 20}, {0.0F, 5}, {0.9F, 10}, {0.0F, 40}, {0.9F, 3}}),
              ElementsAre(SpeechSegment{0, 35 * kChunk}, SpeechSegment{75 * kChunk, 78 * kChunk}));
}

TEST(SpeechSegmenter, SplitsUnbrokenSpeechWhenTimeIsUp) {
  EXPECT_THAT(segment({.max_speech_s = 2, .speech_pad_ms = 0}, {{0.9F, 130}}),
              ElementsAre(SpeechSegment{0, 62 * kChunk}, SpeechSegment{63 * kChunk, 125 * kChunk},
                          SpeechSegment{126 * kChunk, 130 * kChunk}));
}

TEST(SpeechSegmenter, SegmentComesWhenItIsDecided) {
  SpeechSegmenter segmenter = make({.min_speech_ms = 160, .min_silence_ms = 320, .speech_pad_ms = 200});
  Segments segments;
  push(segmenter, {{0.0F, 20}, {0.9F, 20}}, segments);
  EXPECT_EQ(segmenter.open_start(), 20 * kChunk);
  push(segmenter, {{0.0F, 10}}, segments);
  EXPECT_TRUE(segmenter.open_start());
  EXPECT_THAT(segments, IsEmpty());
  // After 320 ms of silence the speech is over, and the next one starts at 352 ms at the earliest: 400 ms of padding
  // for both sides may still have to be shared.
  push(segmenter, {{0.0F, 1}}, segments);
  EXPECT_FALSE(segmenter.open_start());
  EXPECT_THAT(segments, IsEmpty());
  push(segmenter, {{0.0F, 2}}, segments);
  EXPECT_THAT(segments, ElementsAre(SpeechSegment{20 * kChunk - 3200, 40 * kChunk + 3200}));
}

TEST(SpeechSegmenter, SharedSilenceIsDecidedWhenTheNextSpeechIsLongEnough) {
  SpeechSegmenter segmenter = make({.min_speech_ms = 160, .min_silence_ms = 100, .speech_pad_ms = 400});
  Segments segments;
  push(segmenter, {{0.9F, 20}, {0.0F, 8}, {0.9F, 6}}, segments);
  EXPECT_THAT(segments, IsEmpty());
  push(segmenter, {{0.9F, 1}}, segments);
  EXPECT_THAT(segments, ElementsAre(SpeechSegment{0, 24 * kChunk}));
  segments.clear();
  segmenter.finish(35 * kChunk, segments);
  EXPECT_THAT(segments, ElementsAre(SpeechSegment{24 * kChunk, 35 * kChunk}));
}

TEST(SpeechSegmenter, StartsAnewAfterFinish) {
  SpeechSegmenter segmenter = make({});
  for (int i = 0; i < 2; ++i) {
    Segments segments;
    push(segmenter, {{0.0F, 20}, {0.9F, 30}}, segments);
    segmenter.finish(50 * kChunk, segments);
    EXPECT_THAT(segments, ElementsAre(SpeechSegment{20 * kChunk - kPad400, 50 * kChunk}));
    EXPECT_FALSE(segmenter.open_start());
  }
}

TEST(SpeechSegmenter, SegmentsAreInOrderAndApart) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  for (const std::int64_t pad_ms : {0, 30, 400}) {
    SpeechSegmenter segmenter = make({.max_speech_s = 3, .min_silence_ms = 96, .speech_pad_ms = pad_ms});
    Segments segments;
    std::int64_t num_chunks = 0;
    float level = 0;
    for (; num_chunks < 20000; ++num_chunks) {
      level = 0.8F * level + 0.2F * (uniform(random) < 0.02F ? 5.0F : uniform(random));
      segmenter.push(num_chunks % 97 == 0 ? std::numeric_limits<float>::quiet_NaN() : level, segments);
    }
    segmenter.finish(num_chunks * kChunk, segments);
    ASSERT_GT(segments.size(), 50U);
    std::int64_t end = 0;
    for (const SpeechSegment& each : segments) {
      EXPECT_LE(end, each.start);
      EXPECT_LT(each.start, each.end);
      EXPECT_LE(each.end - each.start, 3 * SpeechSegmenter::kSampleRate);
      end = each.end;
    }
    EXPECT_LE(end, num_chunks * kChunk);
  }
}

TEST(SpeechSegmenter, RefusesImpossibleOptions) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<SegmenterOptions, const char*> cases[] = {
      {{.threshold = 0}, "threshold"},
      {{.threshold = 1.1}, "threshold"},
      {{.threshold = nan}, "threshold"},
      {{.neg_threshold = -0.1}, "neg_threshold"},
      {{.neg_threshold = 0.6}, "neg_threshold"},
      {{.neg_threshold = nan}, "neg_threshold"},
      {{.min_speech_ms = -1}, "min_speech_ms"},
      {{.min_speech_ms = 3'600'001}, "min_speech_ms"},
      {{.min_silence_ms = -1}, "min_silence_ms"},
      {{.min_silence_ms = std::numeric_limits<std::int64_t>::max()}, "min_silence_ms"},
      {{.speech_pad_ms = -1}, "speech_pad_ms"},
      {{.speech_pad_ms = 3'600'001}, "speech_pad_ms"},
      {{.max_speech_s = 0.832}, "max_speech_s"},
      {{.max_speech_s = nan}, "max_speech_s"},
  };
  for (const auto& [options, param] : cases) {
    const auto segmenter = SpeechSegmenter::create(options);
    ASSERT_FALSE(segmenter) << param;
    EXPECT_EQ(segmenter.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(segmenter.error().param, param);
  }
}

}  // namespace
}  // namespace stenod::vad
