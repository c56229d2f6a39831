#include "transcribe/speech_tape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "audio/features.h"
#include "audio/testing/audio_files.h"
#include "vad/testing/loudness_vad.h"

namespace stenod::transcribe {
namespace {

using ::testing::SizeIs;
using Samples = std::vector<std::int16_t>;

constexpr std::int64_t kRate = audio::kSampleRate;

Samples noise(double seconds, std::uint32_t seed) {
  std::mt19937 random(seed);
  Samples samples(static_cast<std::size_t>(seconds * kRate));
  for (std::int16_t& sample : samples) sample = static_cast<std::int16_t>(static_cast<int>(random() % 20000) - 10000);
  return samples;
}

Samples join(const std::vector<Samples>& parts) {
  Samples all;
  for (const Samples& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

double in_seconds(std::int64_t samples) { return static_cast<double>(samples) / kRate; }

Samples silence(double seconds) { return Samples(static_cast<std::size_t>(seconds * kRate)); }

SpeechTape make_tape(const vad::SileroVad* vad, std::int64_t first_sample = 0) {
  auto tape = SpeechTape::create(vad, first_sample);
  EXPECT_TRUE(tape);
  return *std::move(tape);
}

void push(SpeechTape& tape, const Samples& samples, std::size_t block) {
  for (std::size_t at = 0; at < samples.size(); at += block) {
    tape.push(std::span(samples).subspan(at, std::min(block, samples.size() - at)));
  }
  tape.finish();
}

/// What is on the tape must be what was recorded where its pieces say.
void expect_recorded(const SpeechTape& tape, const Samples& recording, std::int64_t first_sample = 0) {
  const Window window = tape.window(0, tape.end());
  Samples expected;
  for (const Piece& piece : window.pieces) {
    expected.insert(expected.end(), recording.begin() + (piece.start - first_sample),
                    recording.begin() + (piece.end - first_sample));
  }
  const auto samples = tape.samples(0, tape.end());
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), expected.begin(), expected.end()));
}

TEST(SpeechTapeWithoutVad, HoldsEverything) {
  const Samples recording = join({noise(3, 1), silence(10), noise(1, 2)});
  SpeechTape tape = make_tape(nullptr, 500);
  push(tape, recording, 777);
  EXPECT_EQ(tape.end(), 14 * kRate);
  EXPECT_THAT(tape.window(0, tape.end()).pieces, ::testing::ElementsAre(Piece{500, 500 + 14 * kRate}));
  EXPECT_THAT(tape.window(kRate, 2 * kRate).pieces, ::testing::ElementsAre(Piece{500 + kRate, 500 + 3 * kRate}));
  expect_recorded(tape, recording, 500);
  EXPECT_EQ(tape.recorded_from(kRate), 500 + kRate);
  EXPECT_EQ(tape.recorded_from(tape.end()), 500 + 14 * kRate);
}

class SpeechTapeWithVad : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const audio::testing::TempFolder folder;
    auto vad = vad::SileroVad::load(folder.write("loudness.onnx", vad::testing::loudness_vad_file()));
    ASSERT_TRUE(vad);
    vad_ = std::make_unique<vad::SileroVad>(*std::move(vad));
  }
  static void TearDownTestSuite() { vad_.reset(); }
  static std::unique_ptr<vad::SileroVad> vad_;
};
std::unique_ptr<vad::SileroVad> SpeechTapeWithVad::vad_;

TEST_F(SpeechTapeWithVad, CutsOutLongSilenceAndKeepsShortOnes) {
  // Long speech with a pause that is none: it is given out in parts, which the tape joins.
  const Samples recording =
      join({silence(4), noise(20, 1), silence(1.5), noise(25, 2), silence(6), noise(2, 3), silence(1.9), noise(1, 4)});
  SpeechTape tape = make_tape(vad_.get());
  push(tape, recording, 4096);
  const auto pieces = tape.window(0, tape.end()).pieces;
  ASSERT_THAT(pieces, SizeIs(2));
  EXPECT_NEAR(in_seconds(pieces[0].start), 3.6, 0.05);
  EXPECT_NEAR(in_seconds(pieces[0].end), 50.9, 0.05);
  EXPECT_NEAR(in_seconds(pieces[1].start), 56.1, 0.05);
  EXPECT_NEAR(in_seconds(pieces[1].end), 61.4, 0.05);
  expect_recorded(tape, recording);
}

TEST_F(SpeechTapeWithVad, SpeechWithoutPausesLosesNothing) {
  const Samples recording = noise(95, 5);
  SpeechTape tape = make_tape(vad_.get());
  push(tape, recording, 10000);
  EXPECT_THAT(tape.window(0, tape.end()).pieces, SizeIs(1));
  EXPECT_NEAR(in_seconds(tape.end()), 95, 0.1);
  expect_recorded(tape, recording);
}

TEST_F(SpeechTapeWithVad, AnyBlocksGiveTheSame) {
  const Samples recording = join({noise(12, 6), silence(3), noise(40, 7), silence(1), noise(3, 8), silence(5)});
  SpeechTape expected = make_tape(vad_.get());
  push(expected, recording, recording.size());
  for (const std::size_t block : {100u, 5000u, 100000u}) {
    SpeechTape tape = make_tape(vad_.get());
    push(tape, recording, block);
    EXPECT_EQ(tape.window(0, tape.end()).pieces, expected.window(0, expected.end()).pieces) << block;
  }
}

TEST_F(SpeechTapeWithVad, WhatIsForgottenIsGoneAndTheRestKeepsItsPlace) {
  const Samples recording = join({noise(10, 9), silence(5), noise(10, 10), silence(5)});
  SpeechTape tape = make_tape(vad_.get());
  push(tape, recording, 4096);
  const std::int64_t end = tape.end();
  const Window rest = tape.window(12 * kRate, end - 12 * kRate);
  tape.forget(12 * kRate);
  tape.forget(3 * kRate);
  EXPECT_EQ(tape.end(), end);
  EXPECT_EQ(tape.window(12 * kRate, end - 12 * kRate).pieces, rest.pieces);
  EXPECT_THAT(rest.pieces, SizeIs(1));
  const auto samples = tape.samples(12 * kRate, kRate);
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), recording.begin() + rest.start()));
  tape.forget(end + 5);
  EXPECT_EQ(tape.end(), end);
  EXPECT_EQ(tape.recorded_from(end), 30 * kRate);
}

}  // namespace
}  // namespace stenod::transcribe
