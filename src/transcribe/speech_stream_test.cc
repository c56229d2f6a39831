#include "transcribe/speech_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "audio/testing/audio_files.h"
#include "base/file.h"
#include "vad/testing/loudness_vad.h"

namespace stenod::transcribe {
namespace {

using ::testing::SizeIs;
using Samples = std::vector<std::int16_t>;

constexpr std::int64_t kRate = audio::kSampleRate;
constexpr int kMels = 80;

Samples noise(double seconds, int amplitude, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  Samples samples(static_cast<std::size_t>(seconds * kRate));
  for (std::int16_t& sample : samples) {
    sample =
        static_cast<std::int16_t>(static_cast<int>(random() % static_cast<unsigned>(2 * amplitude + 1)) - amplitude);
  }
  return samples;
}

Samples tone(double seconds) { return audio::testing::tone(440, kRate, seconds); }

void add(Samples& to, const Samples& more) { to.insert(to.end(), more.begin(), more.end()); }
void add_silence(Samples& to, double seconds) { to.resize(to.size() + static_cast<std::size_t>(seconds * kRate)); }

SpeechStream make_stream(const vad::SileroVad* vad) {
  auto stream = SpeechStream::create(vad, kMels);
  EXPECT_TRUE(stream);
  return *std::move(stream);
}

/// Pushes blocks of random sizes up to `longest_block`, which are all alike for seed 0.
std::vector<SpeechWindow> windows_of(const vad::SileroVad* vad, const Samples& samples,
                                     std::size_t longest_block = 4096, std::uint32_t seed = 0) {
  std::mt19937 random(seed);
  SpeechStream stream = make_stream(vad);
  std::vector<SpeechWindow> windows;
  for (std::size_t at = 0; at < samples.size();) {
    const std::size_t block = seed == 0 ? longest_block : random() % (longest_block + 1);
    const auto part = std::span(samples).subspan(at, std::min(block, samples.size() - at));
    const std::int64_t settled = stream.settled_samples();
    const std::size_t num_before = windows.size();
    stream.push(part, windows);
    for (std::size_t i = num_before; i < windows.size(); ++i) EXPECT_GE(windows[i].window.start(), settled);
    EXPECT_GE(stream.settled_samples(), settled);
    at += part.size();
    EXPECT_EQ(stream.num_samples(), static_cast<std::int64_t>(at));
  }
  const std::int64_t settled = stream.settled_samples();
  const std::size_t num_before = windows.size();
  stream.finish(windows);
  for (std::size_t i = num_before; i < windows.size(); ++i) EXPECT_GE(windows[i].window.start(), settled);
  EXPECT_EQ(stream.settled_samples(), static_cast<std::int64_t>(samples.size()));
  for (const SpeechWindow& window : windows) {
    EXPECT_GE(window.features.num_frames, 1);
    EXPECT_LE(window.features.num_frames, audio::kMaxWindowFrames);
    EXPECT_THAT(window.features.values, SizeIs(static_cast<std::size_t>(window.features.num_frames * kMels)));
    EXPECT_LE(window.window.num_samples(), kMaxWindowSamples);
    EXPECT_GE(window.speech_peak, 0);
    EXPECT_LE(window.speech_peak, 1);
  }
  return windows;
}

void expect_same(const std::vector<SpeechWindow>& a, const std::vector<SpeechWindow>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].window.pieces, b[i].window.pieces) << i;
    EXPECT_EQ(a[i].speech_peak, b[i].speech_peak) << i;
    EXPECT_TRUE(a[i].features.values == b[i].features.values) << "features of window " << i;  // every bit
  }
}

void expect_same_for_any_blocks(const vad::SileroVad* vad, const Samples& samples) {
  const auto expected = windows_of(vad, samples);
  EXPECT_FALSE(expected.empty());
  for (const std::size_t longest : {std::size_t{333}, std::size_t{2000}, std::size_t{100000}, samples.size()}) {
    expect_same(windows_of(vad, samples, longest, static_cast<std::uint32_t>(longest)), expected);
  }
  expect_same(windows_of(vad, samples, samples.size()), expected);
}

std::vector<Piece> pieces_of(const std::vector<SpeechWindow>& windows) {
  std::vector<Piece> pieces;
  for (const SpeechWindow& window : windows) {
    pieces.insert(pieces.end(), window.window.pieces.begin(), window.window.pieces.end());
  }
  return pieces;
}

/// A window's features are those of its pieces' samples, one behind the other.
void expect_features_of_pieces(const std::vector<SpeechWindow>& windows, const Samples& samples) {
  for (const SpeechWindow& window : windows) {
    audio::LogMelExtractor extractor(kMels);
    audio::LogMel expected;
    for (const Piece& piece : window.window.pieces) {
      extractor.append(
          std::span(samples).subspan(static_cast<std::size_t>(piece.start), static_cast<std::size_t>(piece.size())),
          expected);
    }
    extractor.flush(expected);
    expected.values.resize(window.features.values.size());
    EXPECT_TRUE(window.features.values == expected.values) << "window from " << window.window.start();
  }
}

// --- Without a detector

TEST(SpeechStreamWithoutVad, EverySampleIsInOneWindow) {
  EXPECT_TRUE(windows_of(nullptr, {}).empty());
  for (const std::size_t size : {1, 159, 160, 16000, 479999, 480000, 480001, 480161, 1700000}) {
    Samples samples = noise(107, 3000);
    samples.resize(size);
    const auto windows = windows_of(nullptr, samples);
    std::int64_t at = 0;
    for (const SpeechWindow& window : windows) {
      ASSERT_THAT(window.window.pieces, SizeIs(1)) << size;
      EXPECT_EQ(window.window.start(), at) << size;
      at = window.window.end();
      EXPECT_EQ(window.speech_peak, 1);
    }
    EXPECT_EQ(at, static_cast<std::int64_t>(size));
    EXPECT_EQ(windows.size() == 1, size <= 480000) << size;
    expect_features_of_pieces(windows, samples);
  }
}

TEST(SpeechStreamWithoutVad, CutsAtTheQuietPlace) {
  for (const double quiet_s : {27.0, 28.3, 29.85}) {
    Samples samples = noise(40, 3000);
    const auto start = samples.begin() + static_cast<std::ptrdiff_t>(quiet_s * kRate);
    std::fill(start, start + kRate / 10 + 80, std::int16_t{3});
    const auto windows = windows_of(nullptr, samples);
    ASSERT_THAT(windows, SizeIs(2));
    EXPECT_GE(windows[0].window.end(), quiet_s * kRate);
    EXPECT_LE(windows[0].window.end(), (quiet_s + 0.105) * kRate);
  }
}

TEST(SpeechStreamWithoutVad, AnyBlocksGiveTheSame) { expect_same_for_any_blocks(nullptr, noise(95, 3000)); }

// --- With a detector of loudness

class SpeechStreamWithVad : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const audio::testing::TempFolder folder;
    auto loaded = vad::SileroVad::load(folder.write("loudness.onnx", vad::testing::loudness_vad_file()));
    ASSERT_TRUE(loaded) << loaded.error().message;
    vad_ = std::make_unique<vad::SileroVad>(*std::move(loaded));
  }
  static void TearDownTestSuite() { vad_.reset(); }

  static std::unique_ptr<vad::SileroVad> vad_;
};
std::unique_ptr<vad::SileroVad> SpeechStreamWithVad::vad_;

TEST_F(SpeechStreamWithVad, SilenceGivesNothing) {
  EXPECT_TRUE(windows_of(vad_.get(), {}).empty());
  Samples silence;
  add_silence(silence, 70);
  EXPECT_TRUE(windows_of(vad_.get(), silence).empty());
}

TEST_F(SpeechStreamWithVad, SilenceSettles) {
  SpeechStream stream = make_stream(vad_.get());
  std::vector<SpeechWindow> windows;
  stream.push(Samples(300 * kRate), windows);
  EXPECT_GE(stream.settled_samples(), 230 * kRate);
  stream.push(tone(3), windows);
  stream.push(Samples(5 * kRate), windows);
  EXPECT_LE(stream.settled_samples(), 300 * kRate) << "of the window that is being packed";
  stream.push(Samples(80 * kRate), windows);
  stream.push(tone(3), windows);
  stream.push(Samples(5 * kRate), windows);
  ASSERT_THAT(windows, SizeIs(1));
  EXPECT_GE(stream.settled_samples(), windows[0].window.end());
}

TEST_F(SpeechStreamWithVad, WindowsHoldSpeechAndItsPadding) {
  Samples samples;
  std::vector<std::pair<double, double>> speech;
  for (const double silence_s : {3.0, 5.0, 1.5, 20.0}) {
    add_silence(samples, silence_s);
    const double start_s = static_cast<double>(samples.size()) / kRate;
    speech.emplace_back(start_s, start_s + 2);
    add(samples, tone(2));
  }
  const auto windows = windows_of(vad_.get(), samples);
  ASSERT_THAT(windows, SizeIs(2));  // 20 s end a window
  const auto pieces = pieces_of(windows);
  ASSERT_EQ(pieces.size(), speech.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    // 0.4 s of padding, and chunks of 32 ms that are partly speech.
    EXPECT_NEAR(static_cast<double>(pieces[i].start) / kRate, speech[i].first - 0.4, 0.04) << i;
    const double recording_s = static_cast<double>(samples.size()) / kRate;
    EXPECT_NEAR(static_cast<double>(pieces[i].end) / kRate, std::min(speech[i].second + 0.4, recording_s), 0.04) << i;
  }
  for (const SpeechWindow& window : windows) EXPECT_GT(window.speech_peak, 0.98f);
  expect_features_of_pieces(windows, samples);
}

TEST_F(SpeechStreamWithVad, SpeechWithoutPausesIsCutWithoutLoss) {
  const Samples samples = tone(100.3);
  const auto windows = windows_of(vad_.get(), samples);
  std::int64_t at = 0;
  for (const Piece& piece : pieces_of(windows)) {
    EXPECT_EQ(piece.start, at);
    at = piece.end;
  }
  EXPECT_EQ(at, static_cast<std::int64_t>(samples.size()));
  expect_features_of_pieces(windows, samples);
}

TEST_F(SpeechStreamWithVad, AnyBlocksGiveTheSame) {
  Samples samples;
  std::mt19937 random(5);
  for (int i = 0; i < 12; ++i) {
    add_silence(samples, static_cast<double>(random() % 4000) / 1000);
    add(samples, tone(static_cast<double>(random() % 9000) / 1000));
  }
  expect_same_for_any_blocks(vad_.get(), samples);
}

TEST_F(SpeechStreamWithVad, UnclearSpeechHasALowPeak) {
  Samples faint = tone(2);
  for (std::int16_t& sample : faint) sample = static_cast<std::int16_t>(sample / 78);
  Samples samples;
  add_silence(samples, 1);
  add(samples, faint);
  add_silence(samples, 12);
  add(samples, tone(2));
  const auto windows = windows_of(vad_.get(), samples);
  ASSERT_THAT(windows, SizeIs(2));
  EXPECT_GT(windows[0].speech_peak, 0.5f);
  EXPECT_LT(windows[0].speech_peak, 0.8f);
  EXPECT_GT(windows[1].speech_peak, 0.98f);
}

TEST_F(SpeechStreamWithVad, HalfAnHourKeepsItsSpeech) {
  SpeechStream stream = make_stream(vad_.get());
  std::vector<SpeechWindow> windows;
  Samples silence;
  add_silence(silence, 10);
  const Samples speech = tone(10);
  // Ten minutes of silence, ten of speech without a pause, and ten of 10 s each.
  const auto is_speech = [](int i) { return i >= 60 && (i < 120 || i % 2 == 0); };
  std::int64_t num_speech = 0;
  for (int i = 0; i < 180; ++i) {
    stream.push(is_speech(i) ? speech : silence, windows);
    num_speech += is_speech(i) ? 10 * kRate : 0;
    // What is said is given out while the recording goes on.
    if (i > 130) {
      EXPECT_GT(windows.back().window.end(), stream.num_samples() - 71 * kRate) << i;
    }
  }
  stream.finish(windows);
  std::int64_t packed = 0;
  std::int64_t before = 0;
  for (const Piece& piece : pieces_of(windows)) {
    EXPECT_GE(piece.start, before);
    before = piece.end;
    packed += piece.size();
    const std::int64_t middle = (piece.start + piece.end) / 2;
    EXPECT_TRUE(is_speech(static_cast<int>(middle / (10 * kRate)))) << middle;
  }
  EXPECT_GE(packed, num_speech);
  EXPECT_LE(packed, num_speech + 31 * kRate);  // 31 stretches of speech, each with less than 1 s around it
}

// --- With the published weights

TEST(SpeechStreamWithSilero, FindsSpeechAmongSilenceForAnyBlocks) {
  const char* models = std::getenv("STENOD_TEST_MODEL_DIR");
  if (models == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  const auto path = std::filesystem::path(models) / "silero-vad" / "silero_vad_16k_op15.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " does not exist";
  const auto recording = read_file("/usr/share/pocketsphinx/test/data/goforward.raw", 1 << 20);
  if (!recording) GTEST_SKIP() << recording.error().message << " (Debian package pocketsphinx-testdata)";
  const auto vad = vad::SileroVad::load(path);
  ASSERT_TRUE(vad) << vad.error().message;
  Samples speech(recording->size() / 2);
  std::memcpy(speech.data(), recording->data(), speech.size() * 2);

  Samples samples;
  std::vector<std::int64_t> starts;
  for (const double silence_s : {0.0, 2.0, 0.3, 14.0, 1.0, 40.0}) {
    add_silence(samples, silence_s);
    starts.push_back(static_cast<std::int64_t>(samples.size()));
    add(samples, speech);
  }
  expect_same_for_any_blocks(&*vad, samples);

  const auto windows = windows_of(&*vad, samples);
  EXPECT_THAT(windows, SizeIs(3));
  for (const SpeechWindow& window : windows) EXPECT_GT(window.speech_peak, 0.99f);
  const auto pieces = pieces_of(windows);
  std::int64_t packed = 0;
  for (const Piece& piece : pieces) packed += piece.size();
  EXPECT_LE(packed, static_cast<std::int64_t>(starts.size() * speech.size()) + 2 * kRate);
  for (const std::int64_t start : starts) {
    // "Go forward ten meters" is said from 0.5 s to 2.25 s.
    EXPECT_TRUE(std::any_of(pieces.begin(), pieces.end(), [start](const Piece& piece) {
      return piece.start <= start + kRate / 2 && piece.end >= start + kRate * 9 / 4;
    })) << start;
  }
}

}  // namespace
}  // namespace stenod::transcribe
