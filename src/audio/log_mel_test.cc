#include "audio/log_mel.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <random>
#include <string>

#include "audio/decoder.h"
#include "audio/testing/audio_files.h"

namespace stenod::audio {
namespace {

using testing::tone;

/// Whisper's definition, straight: double precision, a DFT by its sum, the filter bank by interpolation in Hz.
std::vector<double> reference_log_mel(const std::vector<float>& samples, int num_mels, int num_frames) {
  const auto sample_at = [&](std::ptrdiff_t i) {
    i = std::abs(i);
    return i < std::ssize(samples) ? static_cast<double>(samples[i]) : 0.0;
  };
  const double log_step = std::log(6.4) / 27;
  std::vector<double> edges;
  for (int i = 0; i < num_mels + 2; ++i) {
    const double mel = (15 + std::log(8.0) / log_step) * i / (num_mels + 1);
    edges.push_back(mel < 15 ? mel * 200 / 3 : 1000 * std::exp(log_step * (mel - 15)));
  }
  std::vector<std::complex<double>> roots;
  for (int i = 0; i < 400; ++i) roots.push_back(std::polar(1.0, -2 * std::numbers::pi * i / 400));
  std::vector<double> out;
  for (int k = 0; k < num_frames; ++k) {
    std::vector<double> power;
    for (int bin = 0; bin <= 200; ++bin) {
      std::complex<double> sum = 0;
      for (int i = 0; i < 400; ++i) {
        sum += sample_at(160 * k - 200 + i) * 0.5 * (1 - roots[i].real()) * roots[bin * i % 400];
      }
      power.push_back(std::norm(sum));
    }
    for (int m = 0; m < num_mels; ++m) {
      double energy = 0;
      for (int bin = 0; bin <= 200; ++bin) {
        const double hz = 40.0 * bin;
        const double up = (hz - edges[m]) / (edges[m + 1] - edges[m]);
        const double down = (edges[m + 2] - hz) / (edges[m + 2] - edges[m + 1]);
        energy += std::max(0.0, std::min(up, down)) * 2 / (edges[m + 2] - edges[m]) * power[bin];
      }
      out.push_back(std::log10(std::max(energy, 1e-10)));
    }
  }
  return out;
}

std::vector<float> to_float(std::span<const std::int16_t> samples) {
  std::vector<float> out;
  for (const std::int16_t sample : samples) out.push_back(static_cast<float>(sample) / 32768.0f);
  return out;
}

LogMel extract(std::span<const float> samples, int num_mels) {
  LogMelExtractor extractor(num_mels);
  LogMel mel{num_mels, 0, {}};
  extractor.append(samples, mel);
  extractor.flush(mel);
  return mel;
}

int frames_for(std::size_t num_samples) { return num_samples == 0 ? 0 : static_cast<int>((num_samples + 359) / 160); }

/// Largest difference of normalised values to the reference.
double difference(const std::vector<float>& samples, int num_mels) {
  const LogMel mel = extract(samples, num_mels);
  EXPECT_EQ(mel.num_frames, frames_for(samples.size()));
  EXPECT_EQ(mel.values.size(), static_cast<std::size_t>(mel.num_frames) * num_mels);
  const int num_frames = mel.num_frames + 3;
  std::vector<double> expected = reference_log_mel(samples, num_mels, num_frames);
  const double floor = *std::max_element(expected.begin(), expected.end()) - 8;
  std::vector<float> window(expected.size());
  normalised_window(mel, 0, mel.num_frames, num_frames, window);
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs((std::max(expected[i], floor) + 4) / 4 - static_cast<double>(window[i])));
  }
  return worst;
}

std::vector<float> noise(std::size_t num_samples, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> out(num_samples);
  for (float& sample : out) sample = std::clamp(normal(random), -1.0f, 1.0f);
  return out;
}

std::vector<float> asterisk_speech() {
  const std::filesystem::path path = "/usr/share/asterisk/sounds/en_US_f_Allison/agent-alreadyon.wav";
  auto decoder = Decoder::open(path);
  std::vector<float> out;
  if (!decoder) return out;
  ChannelSamples block;
  while ((*decoder)->read(block).value() > 0) {
    const auto piece = to_float(block[0]);
    out.insert(out.end(), piece.begin(), piece.end());
  }
  return out;
}

TEST(LogMel, MatchesTheDefinition) {
  std::vector<float> chirp(8000);
  for (std::size_t i = 0; i < chirp.size(); ++i) {
    const double t = static_cast<double>(i) / kSampleRate;
    chirp[i] = static_cast<float>(0.9 * std::sin(2 * std::numbers::pi * 8000 * t * t));
  }
  std::vector<float> impulse(4000);
  impulse[1234] = 1;
  const std::vector<float> square = [] {
    std::vector<float> out(4000);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i / 40 % 2 == 0 ? 1.0f : -1.0f;
    return out;
  }();
  for (const int num_mels : {80, 128}) {
    EXPECT_LT(difference(noise(9000, 1), num_mels), 1e-4);
    EXPECT_LT(difference(chirp, num_mels), 1e-4);
    EXPECT_LT(difference(impulse, num_mels), 1e-4);
    EXPECT_LT(difference(square, num_mels), 1e-4);
    EXPECT_LT(difference(to_float(tone(1000, kSampleRate, 0.5)), num_mels), 1e-4);
    EXPECT_LT(difference(std::vector<float>(5000, 0.5f), num_mels), 1e-4);
    EXPECT_LT(difference(std::vector<float>(5000, 1e-4f), num_mels), 1e-4);
  }
}

TEST(LogMel, MatchesTheDefinitionOnSpeech) {
  const auto speech = asterisk_speech();
  if (speech.empty()) GTEST_SKIP() << "Debian's asterisk-core-sounds-en-wav is not installed";
  EXPECT_LT(difference({speech.begin(), speech.begin() + std::min<std::ptrdiff_t>(std::ssize(speech), 24000)}, 80),
            1e-4);
}

TEST(LogMel, EveryInstructionSetMatchesTheDefinition) {
  const auto samples = noise(6000, 2);
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    EXPECT_LT(difference(samples, 80), 1e-4) << hwy::TargetName(targets & -targets);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(LogMel, ShortStreamsAreMirroredAndPadded) {
  EXPECT_EQ(extract({}, 80).num_frames, 0);
  for (const std::size_t size : {1U, 2U, 100U, 159U, 160U, 199U, 200U, 201U, 359U, 360U, 361U, 400U, 520U, 521U}) {
    EXPECT_LT(difference(noise(size, 3), 80), 1e-4) << size;
  }
}

TEST(LogMel, FramesComeAsSoonAsTheirSamplesAreThere) {
  LogMelExtractor extractor(80);
  LogMel mel;
  const auto samples = noise(4000, 4);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    extractor.append(std::span(samples).subspan(i, 1), mel);
    const std::size_t num_samples = i + 1;
    EXPECT_EQ(mel.num_frames, num_samples < 201 ? 0 : static_cast<int>((num_samples - 200) / 160) + 1) << num_samples;
  }
}

TEST(LogMel, DoesNotDependOnHowSamplesAreCut) {
  std::vector<std::int16_t> samples(70'000);
  std::mt19937 random(5);
  for (auto& sample : samples) sample = static_cast<std::int16_t>(random());
  const auto floats = to_float(samples);
  for (const int num_mels : {80, 128}) {
    const LogMel whole = extract(floats, num_mels);
    LogMelExtractor extractor(num_mels);  // used again every round
    for (int round = 0; round < 12; ++round) {
      LogMel mel{num_mels, 0, {}};
      const std::size_t longest = std::array{1U, 7U, 320U, 5000U}[round % 4];
      for (std::size_t at = 0; at < samples.size();) {
        const std::size_t n = std::min<std::size_t>(random() % (longest + 1), samples.size() - at);
        if (random() % 2 == 0) {
          extractor.append(std::span<const std::int16_t>(samples).subspan(at, n), mel);
        } else {
          extractor.append(std::span<const float>(floats).subspan(at, n), mel);
        }
        at += n;
      }
      extractor.flush(mel);
      ASSERT_EQ(mel.num_frames, whole.num_frames);
      ASSERT_EQ(mel.values, whole.values) << "cuts of up to " << longest;
    }
  }
}

TEST(LogMel, DoesNotDependOnTheNeighbouringFrames) {
  // The same sound 160 * n samples later lies in another lane beside other frames.
  const auto sound = noise(2000, 6);
  const auto at = [&](std::size_t offset) {
    auto samples = noise(20'000, 7);
    std::copy(sound.begin(), sound.end(), samples.begin() + static_cast<std::ptrdiff_t>(offset));
    return extract(samples, 80);
  };
  const LogMel first = at(1600);
  for (int shift = 1; shift < 20; ++shift) {
    const LogMel later = at(1600 + 160 * static_cast<std::size_t>(shift));
    for (int k = 12; k < 21; ++k) {  // frames that lie inside the sound
      for (int m = 0; m < 80; ++m) {
        ASSERT_EQ(first.values[k * 80 + m], later.values[(k + shift) * 80 + m]) << shift;
      }
    }
  }
}

TEST(LogMel, HostileSamplesStayFinite) {
  std::vector<float> samples = noise(2000, 8);
  samples[100] = std::numeric_limits<float>::quiet_NaN();
  samples[300] = std::numeric_limits<float>::infinity();
  samples[500] = -std::numeric_limits<float>::infinity();
  samples[700] = 3e38f;
  const LogMel mel = extract(samples, 80);
  for (const float value : mel.values) {
    ASSERT_TRUE(std::isfinite(value));
    ASSERT_GE(value, -10.0f);
  }
  samples[100] = 0;
  samples[300] = samples[700] = 1;
  samples[500] = -1;
  EXPECT_EQ(extract(samples, 80).values, mel.values);
}

TEST(LogMel, SilenceIsExactlyTheFloor) {
  const LogMel mel = extract(std::vector<float>(1000), 80);
  for (const float value : mel.values) ASSERT_EQ(value, -10.0f);
}

TEST(NormalisedWindow, FloorsAtItsOwnMaximumAndPads) {
  LogMel mel{80, 4, std::vector<float>(4 * 80, -10.0f)};
  mel.values[0] = 3;  // a loud frame before the window
  mel.values[1 * 80 + 5] = 1.5f;
  mel.values[2 * 80 + 7] = -6.0f;
  mel.values[2 * 80 + 8] = -7.0f;
  std::vector<float> window(5 * 80, 99.0f);
  normalised_window(mel, 1, 2, 5, window);
  for (std::size_t i = 0; i < window.size(); ++i) {
    const double expected = i == 5 ? 1.5 : i == 80 + 7 ? -6.0 : -6.5;
    ASSERT_FLOAT_EQ(window[i], static_cast<float>((expected + 4) / 4)) << i;
  }
  normalised_window(mel, 0, 1, 1, std::span(window).first(80));
  EXPECT_FLOAT_EQ(window[0], 1.75f);
  EXPECT_FLOAT_EQ(window[1], -0.25f);
}

TEST(NormalisedWindow, OfSilenceAlone) {
  const LogMel mel{128, 0, {}};
  std::vector<float> window(7 * 128);
  normalised_window(mel, 0, 0, 7, window);
  for (const float value : window) ASSERT_EQ(value, -1.5f);
}

}  // namespace
}  // namespace stenod::audio
