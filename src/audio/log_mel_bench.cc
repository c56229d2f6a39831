#include "audio/log_mel.h"

#include <benchmark/benchmark.h>

#include <random>

namespace stenod::audio {
namespace {

std::vector<std::int16_t> noise(int seconds) {
  std::mt19937 random(1);
  std::vector<std::int16_t> samples(static_cast<std::size_t>(seconds) * kSampleRate);
  for (auto& sample : samples) sample = static_cast<std::int16_t>(random() % 8192 - 4096);
  return samples;
}

/// One minute at a time; `x_real_time` is seconds of audio per second.
void append(benchmark::State& state) {
  const int num_mels = static_cast<int>(state.range(0));
  const std::size_t piece = static_cast<std::size_t>(state.range(1));
  const auto samples = noise(60);
  LogMel mel{num_mels, 0, {}};
  for (auto _ : state) {
    LogMelExtractor extractor(num_mels);
    mel.num_frames = 0;
    mel.values.clear();
    for (std::size_t at = 0; at < samples.size(); at += piece) {
      extractor.append(std::span(samples).subspan(at, std::min(piece, samples.size() - at)), mel);
    }
    extractor.flush(mel);
    benchmark::DoNotOptimize(mel.values.data());
  }
  state.counters["x_real_time"] =
      benchmark::Counter(60.0 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(append)->ArgNames({"mels", "piece"})->Args({80, 960'000})->Args({128, 960'000})->Args({80, 320});

void window(benchmark::State& state) {
  LogMelExtractor extractor(80);
  LogMel mel;
  extractor.append(noise(31), mel);
  std::vector<float> out(kMaxWindowFrames * 80);
  for (auto _ : state) {
    normalised_window(mel, 0, 2500, kMaxWindowFrames, out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(window);

}  // namespace
}  // namespace stenod::audio
