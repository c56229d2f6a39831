#include "compute/cpu/peak.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "compute/cpu/tiles.h"

namespace stenod::compute::cpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kDuration = std::chrono::milliseconds(60);
constexpr int kIterations = 20000;  ///< between two looks at the clock

// clang-format off
// Twelve independent chains of one instruction hide its latency; the data is zero. In assembly, since a compiler would
// see that nothing is computed. `op` adds to operand 0 a product of operand 1; register 15 is free for it.
#define STENOD_PEAK_CHAIN(op, i) asm volatile(op : "+v"(sums[i]) : "v"(input) : "xmm15");
#define STENOD_PEAK_LOOP(name, target_name, Vector, op)                                                     \
  __attribute__((target(target_name))) void name() {                                                        \
    Vector sums[12] = {}, input = {};                                                                       \
    for (int i = 0; i < kIterations; ++i) {                                                                 \
      STENOD_PEAK_CHAIN(op, 0) STENOD_PEAK_CHAIN(op, 1) STENOD_PEAK_CHAIN(op, 2) STENOD_PEAK_CHAIN(op, 3)   \
      STENOD_PEAK_CHAIN(op, 4) STENOD_PEAK_CHAIN(op, 5) STENOD_PEAK_CHAIN(op, 6) STENOD_PEAK_CHAIN(op, 7)   \
      STENOD_PEAK_CHAIN(op, 8) STENOD_PEAK_CHAIN(op, 9) STENOD_PEAK_CHAIN(op, 10) STENOD_PEAK_CHAIN(op, 11) \
    }                                                                                                       \
  }
// clang-format on
constexpr int kChains = 12;

using Vector256 = float __attribute__((vector_size(32)));
using Vector512 = float __attribute__((vector_size(64)));

// Without 8-bit dot products, one takes three instructions.
#define STENOD_WIDENING_DOT(register) \
  "vpmaddubsw %1, %1, %%" register "15\n\tvpmaddwd %%" register "15, %1, %%" register "15\n\tvpaddd %%" register \
  "15, %0, %0"

STENOD_PEAK_LOOP(fma_256, "avx2,fma", Vector256, "vfmadd231ps %1, %1, %0")
STENOD_PEAK_LOOP(fma_512, "avx512f", Vector512, "vfmadd231ps %1, %1, %0")
STENOD_PEAK_LOOP(widening_dot_256, "avx2", Vector256, STENOD_WIDENING_DOT("ymm"))
STENOD_PEAK_LOOP(widening_dot_512, "avx512f", Vector512, STENOD_WIDENING_DOT("zmm"))
STENOD_PEAK_LOOP(vnni_512, "avx512f", Vector512, "vpdpbusd %1, %1, %0")
STENOD_PEAK_LOOP(bf16_512, "avx512f", Vector512, "vdpbf16ps %1, %1, %0")

#undef STENOD_PEAK_LOOP
#undef STENOD_PEAK_CHAIN
#undef STENOD_WIDENING_DOT

constexpr int kTiles = 4;  ///< products in flight: a product takes 52 cycles, and one starts every 16

// clang-format off
#define STENOD_TILE_LOOP(name, op)                                                                                     \
  void name() {                                                                                                        \
    const FullTiles tiles;                                                                                             \
    for (int i = 0; i < kIterations / 16; ++i) {                                                                       \
      asm volatile(op " %tmm5, %tmm4, %tmm0\n\t" op " %tmm5, %tmm4, %tmm1\n\t" op " %tmm5, %tmm4, %tmm2\n\t" op      \
                      " %tmm5, %tmm4, %tmm3");                                                                         \
    }                                                                                                                  \
  }
// clang-format on
STENOD_TILE_LOOP(tile_int8, "tdpbusd")
STENOD_TILE_LOOP(tile_bf16, "tdpbf16ps")
#undef STENOD_TILE_LOOP

struct Loop {
  void (*run)();
  double operations;  ///< of one run
};

Loop loop_for(ComputeType type, Isa isa) {
  constexpr double kRun = 2.0 * kChains * kIterations;  // times the multiply-adds of one instruction
  constexpr double kTileRun = 2.0 * kTiles * (kIterations / 16) * 16 * 16;
  switch (type) {
    case ComputeType::kFloat32:
      return isa == Isa::kAvx2 ? Loop{fma_256, kRun * 8} : Loop{fma_512, kRun * 16};
    case ComputeType::kBFloat16:
      return isa == Isa::kAmx ? Loop{tile_bf16, kTileRun * 32} : Loop{bf16_512, kRun * 32};
    case ComputeType::kInt8:
      break;
  }
  if (isa == Isa::kAmx) return {tile_int8, kTileRun * 64};
  if (isa >= Isa::kAvx512Vnni) return {vnni_512, kRun * 64};
  return isa == Isa::kAvx512 ? Loop{widening_dot_512, kRun * 64} : Loop{widening_dot_256, kRun * 32};
}

}  // namespace

double measure_peak(ComputeType type, Isa isa, int num_threads) {
  const Loop loop = loop_for(type, isa);
  std::vector<double> best(static_cast<std::size_t>(num_threads), 0.0);
  const auto measure = [&](std::size_t thread) {
    const auto end = Clock::now() + kDuration;
    for (auto now = Clock::now(); now < end;) {
      const auto start = now;
      loop.run();
      now = Clock::now();
      best[thread] = std::max(best[thread], loop.operations / std::chrono::duration<double>(now - start).count());
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < best.size(); ++thread) threads.emplace_back(measure, thread);
  double sum = 0;
  for (std::size_t thread = 0; thread < best.size(); ++thread) {
    threads[thread].join();
    sum += best[thread];
  }
  return sum;
}

}  // namespace stenod::compute::cpu
