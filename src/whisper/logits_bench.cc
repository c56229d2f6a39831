#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "whisper/logits.h"

namespace {

void summarise_vocabulary(benchmark::State& state) {
  std::vector<float> logits(51865);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 4);
  for (float& v : logits) v = normal(random);
  for (auto _ : state) benchmark::DoNotOptimize(stenod::whisper::summarise(logits));
}
BENCHMARK(summarise_vocabulary);

}  // namespace
