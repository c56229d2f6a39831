#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "vad/silero_vad.h"

// The weights: $STENOD_TEST_MODEL_DIR/silero-vad/silero_vad_16k_op15.onnx. What is heard doesn't change the time.
namespace stenod::vad {
namespace {

std::vector<float> noise(std::size_t num_samples) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  std::vector<float> samples(num_samples);
  for (float& sample : samples) sample = normal(random);
  return samples;
}

Result<SileroVad> load() {
  const char* folder = std::getenv("STENOD_TEST_MODEL_DIR");
  return SileroVad::load(std::string(folder != nullptr ? folder : ".") + "/silero-vad/silero_vad_16k_op15.onnx");
}

void report(benchmark::State& state, std::size_t chunks_per_iteration) {
  const double seconds =
      static_cast<double>(state.iterations()) * static_cast<double>(chunks_per_iteration) * 512.0 / 16000.0;
  state.counters["x_real_time"] = benchmark::Counter(seconds, benchmark::Counter::kIsRate);
}

void whole_file(benchmark::State& state) {
  const auto vad = load();
  if (!vad) return state.SkipWithError(vad.error().message.c_str());
  const auto num_chunks = static_cast<std::size_t>(state.range(0));
  const std::vector<float> samples = noise(num_chunks * SileroVad::kChunkSamples);
  std::vector<float> probabilities(num_chunks);
  SileroVad::Scratch scratch;
  for (auto _ : state) {
    VadState stream;
    vad->run(stream, samples, probabilities, scratch);
    benchmark::DoNotOptimize(probabilities.data());
  }
  report(state, num_chunks);
}
BENCHMARK(whole_file)->Arg(1875)->Unit(benchmark::kMillisecond);

void streams(benchmark::State& state) {
  const auto vad = load();
  if (!vad) return state.SkipWithError(vad.error().message.c_str());
  const auto num_streams = static_cast<std::size_t>(state.range(0));
  const std::vector<float> samples = noise(num_streams * SileroVad::kChunkSamples);
  std::vector<float> probabilities(num_streams);
  std::vector<VadState> states(num_streams);
  std::vector<VadState*> pointers;
  for (VadState& stream : states) pointers.push_back(&stream);
  SileroVad::Scratch scratch;
  for (auto _ : state) {
    vad->step(pointers, samples, probabilities, scratch);
    benchmark::DoNotOptimize(probabilities.data());
  }
  report(state, num_streams);
}
BENCHMARK(streams)->Arg(1)->Arg(4)->Arg(32)->Arg(256)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace stenod::vad
