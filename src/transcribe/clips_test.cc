#include "transcribe/clips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "audio/testing/audio_files.h"

namespace stenod::transcribe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kRate = audio::kSampleRate;
constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max();

std::vector<Clip> clips(const std::vector<double>& timestamps) {
  const auto made = make_clips(timestamps);
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : std::vector<Clip>{};
}

std::string refused(const std::vector<double>& timestamps) {
  const auto made = make_clips(timestamps);
  if (made) return "";
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(made.error().param, "clip_timestamps");
  return made.error().message;
}

TEST(Clips, PairsOfTimes) {
  EXPECT_THAT(clips({}), ElementsAre(Clip{0, kOpen}));
  EXPECT_THAT(clips({0}), ElementsAre(Clip{0, kOpen}));
  EXPECT_THAT(clips({1.5, 2}), ElementsAre(Clip{24000, 32000}));
  EXPECT_THAT(clips({0, 1, 1, 2, 5}), ElementsAre(Clip{0, 16000}, Clip{16000, 32000}, Clip{80000, kOpen}));
}

TEST(Clips, WhatIsWrongIsSaid) {
  EXPECT_THAT(refused({5, 3}), HasSubstr("3 stands behind 5"));
  EXPECT_THAT(refused({0, 10, 5, 20}), HasSubstr("5 stands behind 10"));
  EXPECT_THAT(refused({2, 2}), HasSubstr("from 2 to 2 is empty"));
  EXPECT_THAT(refused({-1, 2}), HasSubstr("-1 is no time"));
  EXPECT_THAT(refused({std::nan(""), 2}), HasSubstr("nan is no time"));
  EXPECT_THAT(refused({0, std::numeric_limits<double>::infinity()}), HasSubstr("inf is no time"));
  EXPECT_THAT(refused({0, 1e10}), HasSubstr("is no time"));
  std::vector<double> many(2 * kMaxClips + 1);
  std::iota(many.begin(), many.end(), 0);
  EXPECT_THAT(refused(many), HasSubstr("more than 10000 clips"));
}

/// A recording whose samples count up, so that each says where it was.
class ClipReaderTest : public ::testing::Test {
 protected:
  /// What a reader gives: [start, end) of each clip.
  std::vector<Clip> read(const std::vector<double>& timestamps, std::int64_t num_samples = 2 * kRate) {
    std::vector<std::int16_t> samples(static_cast<std::size_t>(num_samples));
    std::iota(samples.begin(), samples.end(), std::int16_t{0});
    const auto decoder = audio::Decoder::open(folder_.write("count.wav", audio::testing::wav({}, samples)));
    EXPECT_TRUE(decoder);
    ClipReader reader(**decoder, clips(timestamps));
    std::vector<Clip> found;
    bool in_clip = false;
    audio::ChannelSamples block;
    while (true) {
      const auto event = reader.read(block);
      EXPECT_TRUE(event);
      if (!event || *event == ClipReader::Event::kEnd) break;
      if (*event == ClipReader::Event::kClipEnd) {
        EXPECT_TRUE(std::exchange(in_clip, false));
        continue;
      }
      if (!std::exchange(in_clip, true)) found.push_back({reader.clip_start(), reader.clip_start()});
      for (const std::int16_t sample : block.front()) {
        EXPECT_EQ(sample, static_cast<std::int16_t>(found.back().end));
        ++found.back().end;
      }
    }
    EXPECT_FALSE(in_clip);
    position_ = reader.position();
    at_end_ = reader.at_end();
    return found;
  }

  audio::testing::TempFolder folder_;
  std::int64_t position_ = 0;
  bool at_end_ = false;
};

TEST_F(ClipReaderTest, ReadsTheWholeRecordingByDefault) {
  EXPECT_THAT(read({}), ElementsAre(Clip{0, 32000}));
  EXPECT_EQ(position_, 32000);
  EXPECT_TRUE(at_end_);
  EXPECT_THAT(read({}, 0), ElementsAre());
}

TEST_F(ClipReaderTest, ReadsWhatClipsWantAndNothingBehindThem) {
  EXPECT_THAT(read({0.1, 0.2, 0.2, 0.5, 1, 1.0001}),
              ElementsAre(Clip{1600, 3200}, Clip{3200, 8000}, Clip{16000, 16002}));
  EXPECT_EQ(position_, 16002);
  EXPECT_FALSE(at_end_);
}

TEST_F(ClipReaderTest, ClipsEndWithTheRecording) {
  EXPECT_THAT(read({1.5, 7, 8, 9}), ElementsAre(Clip{24000, 32000}));
  EXPECT_THAT(read({1.5}), ElementsAre(Clip{24000, 32000}));
  EXPECT_THAT(read({2}), ElementsAre());
  EXPECT_THAT(read({50, 60}), ElementsAre());
  EXPECT_EQ(position_, 32000);
  EXPECT_TRUE(at_end_);
}

}  // namespace
}  // namespace stenod::transcribe
