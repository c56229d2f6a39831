// Speed of the operations on one core. Beside the mean time, each benchmark shows its best run as a rate, and
// that as a share of the machine's measured peak; the best run is what a quiet machine would do.
// STENOD_MAX_ISA as in the tests.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "compute/cpu/kernels.h"
#include "compute/cpu/peak.h"
#include "compute/cpu/product.h"
#include "compute/testing/compute_fixture.h"

namespace stenod::compute {
namespace {

cpu::CpuBackend& backend() {
  static const auto made = [] {
    const char* const name = std::getenv("STENOD_MAX_ISA");
    const auto isa = parse_isa(name != nullptr ? name : "auto");
    auto result = isa.ok() ? cpu::CpuBackend::create(1, *isa) : isa.error();
    if (!result.ok()) {
      fmt::print(stderr, "{}\n", result.error().message);
      std::exit(1);
    }
    return std::move(result).value();
  }();
  return *made;
}

double peak_of(ComputeType type) {
  if (type == ComputeType::kBFloat16 && backend().isa() < Isa::kAvx512Bf16) return 0;
  static std::map<ComputeType, double> peaks;
  const auto [peak, is_new] = peaks.try_emplace(type, 0);
  if (is_new) peak->second = cpu::measure_peak(type, backend().isa(), 1);
  return peak->second;
}

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// `operations` and `bytes` of one call of `body`; either may be 0. `peak`: operations a second.
template <typename Body>
void measure(benchmark::State& state, double operations, double bytes, double peak, const Body& body) {
  body();
  double best = 1e9;
  for (auto _ : state) {
    const double start = thread_seconds();
    body();
    benchmark::ClobberMemory();
    best = std::min(best, thread_seconds() - start);
  }
  state.counters["best_us"] = best * 1e6;
  if (operations > 0) state.counters["Gop/s"] = operations / best / 1e9;
  if (operations > 0 && peak > 0) state.counters["share"] = operations / best / peak;
  if (bytes > 0) state.counters["GB/s"] = bytes / best / 1e9;
}

void product(benchmark::State& state, ComputeType type, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  const auto weights = backend().pack(random_weights(outputs, inputs), type);
  if (!weights.ok()) return state.SkipWithError(weights.error().message.c_str());
  const std::vector<float> input = random_values(rows * inputs, 1);
  std::vector<float> output(static_cast<std::size_t>(rows * outputs));
  const double elements = static_cast<double>(inputs * outputs);
  const double weight_bytes = elements * (type == ComputeType::kInt8 ? 1 : type == ComputeType::kBFloat16 ? 2 : 4);
  measure(state, 2 * static_cast<double>(rows) * elements, weight_bytes, peak_of(type), [&] {
    backend().linear({.input = {input.data(), rows, inputs, inputs},
                      .weights = weights->get(),
                      .output = {output.data(), StorageType::kFloat32, outputs, 64}});
  });
}

void mlp(benchmark::State& state, ComputeType type, std::int64_t num_rows) {
  constexpr std::int64_t kWidth = 512;
  const auto up = backend().pack(random_weights(4 * kWidth, kWidth), type);
  const auto down = backend().pack(random_weights(kWidth, 4 * kWidth), type);
  if (!up.ok()) return state.SkipWithError(up.error().message.c_str());
  const std::vector<float> gamma(kWidth, 0.0f), beta = random_values(kWidth, 1);  // keeps the rows as they are
  std::vector<float> rows = random_values(num_rows * kWidth, 2);
  measure(state, 16.0 * kWidth * kWidth * static_cast<double>(num_rows), 0, peak_of(type), [&] {
    backend().mlp({rows.data(), num_rows, {gamma.data(), beta.data()}, up->get(), down->get()});
  });
}

void encoder_attention(benchmark::State& state, bool reduced_precision) {
  const std::int64_t rows = state.range(0);
  constexpr int kHeads = 2;
  const std::vector<float> qkv = random_values(3 * kHeads * rows * kHeadSize, 1);
  std::vector<float> output(static_cast<std::size_t>(rows * kHeads * kHeadSize));
  const AttentionWindow window = {0, rows};
  const double operations = 4.0 * kHeads * kHeadSize * static_cast<double>(rows * rows);
  const bool bf16 = reduced_precision && backend().isa() >= Isa::kAvx512Bf16;
  measure(state, operations, 0, peak_of(bf16 ? ComputeType::kBFloat16 : ComputeType::kFloat32), [&] {
    backend().encoder_attention({qkv.data(), rows, kHeads, {&window, 1}, output.data(), reduced_precision});
  });
}

void cross_attention(benchmark::State& state, StorageType storage) {
  const std::int64_t num_keys = state.range(0), num_rows = state.range(1);
  constexpr int kHeads = 8;
  constexpr std::int64_t kWidth = kHeads * kHeadSize;
  const auto weights = backend().pack(random_weights(2 * kWidth, kWidth), ComputeType::kFloat32);
  const std::size_t bytes = backend().cross_cache_bytes(storage, kHeads, num_keys);
  const auto buffer = backend().allocate(bytes);
  if (!weights.ok() || !buffer.ok()) return state.SkipWithError("no memory");
  const CrossAttention sequence = {0, num_rows, {(*buffer)->data(), storage, kHeads, num_keys}, num_keys};
  const std::vector<float> input = random_values(num_keys * kWidth, 2);
  backend().fill_cross_cache({{input.data(), num_keys, kWidth, kWidth}, weights->get(), sequence.cache});
  const std::vector<float> queries = random_values(num_rows * kWidth, 1);
  std::vector<float> output(queries.size());
  measure(state, 0, static_cast<double>(bytes), 0, [&] {
    backend().cross_attention({{queries.data(), num_rows, kWidth, kWidth}, {&sequence, 1}, output.data()});
  });
}

constexpr std::int64_t kRowWidth = 512;

void layer_norm(benchmark::State& state) {
  const std::vector<float> input = random_values(kRowWidth, 1), gamma = input, beta = input;
  std::vector<float> output(kRowWidth);
  measure(state, 0, 8.0 * 1000 * kRowWidth, 0, [&] {
    for (int i = 0; i < 1000; ++i) cpu::layer_norm_row(input, {gamma.data(), beta.data()}, output.data());
  });
}

void quantise(benchmark::State& state) {
  const std::vector<float> input = random_values(kRowWidth, 1);
  std::vector<std::uint8_t> output(kRowWidth);
  measure(state, 0, 5.0 * 1000 * kRowWidth, 0, [&] {
    for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(cpu::quantise_row(input, 255, output.data()));
  });
}

/// The end of an int8 product with bias and perhaps GELU: 64 rows of the multi-layer perceptron's panel.
void finish(benchmark::State& state, Activation activation) {
  const std::vector<std::int32_t> sums(cpu::kBlockRows * kRowWidth, 12345);
  const std::vector<float> scales(kRowWidth, 1e-4f), column_sums(kRowWidth, 1e-2f), bias(kRowWidth, -1.0f);
  const std::vector<cpu::QuantisedRow> rows(cpu::kBlockRows, {0.01f, 128});
  std::vector<float> output(sums.size());
  cpu::ProductEnd end;
  end.rows = cpu::kBlockRows;
  end.columns = kRowWidth;
  end.sums = sums.data();
  end.sums_stride = kRowWidth;
  end.row_quantisation = rows.data();
  end.scales = scales.data();
  end.column_sums = column_sums.data();
  end.bias = bias.data();
  end.activation = activation;
  end.output = {output.data(), StorageType::kFloat32, kRowWidth, 64};
  measure(state, 0, 8.0 * static_cast<double>(sums.size()), 0, [&] { cpu::finish_product(end); });
}

BENCHMARK_CAPTURE(encoder_attention, float32, false)->ArgName("rows")->Arg(250)->Arg(1500);
BENCHMARK_CAPTURE(encoder_attention, reduced, true)->ArgName("rows")->Arg(250)->Arg(1500);
BENCHMARK_CAPTURE(cross_attention, float16, StorageType::kFloat16)
    ->ArgNames({"keys", "rows"})
    ->ArgsProduct({{100, 600, 1500}, {1, 5}});
BENCHMARK_CAPTURE(cross_attention, int8, StorageType::kInt8)
    ->ArgNames({"keys", "rows"})
    ->ArgsProduct({{100, 600, 1500}, {1, 5}});
BENCHMARK(layer_norm);
BENCHMARK(quantise);
BENCHMARK_CAPTURE(finish, plain, Activation::kNone);
BENCHMARK_CAPTURE(finish, gelu, Activation::kGelu);

const int kRegistered = [] {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBFloat16, ComputeType::kInt8}) {
    for (const auto& [inputs, outputs] : {std::pair{512, 512}, {512, 2048}, {2048, 512}}) {
      for (const int rows : {1, 8, 16, 64, 1500}) {
        const std::string name = fmt::format("product/{}/{}x{}x{}", compute_type_name(type), rows, inputs, outputs);
        benchmark::RegisterBenchmark(name.c_str(), [=, inputs = inputs, outputs = outputs](benchmark::State& state) {
          product(state, type, rows, inputs, outputs);
        });
      }
    }
    benchmark::RegisterBenchmark(fmt::format("mlp/{}/1500", compute_type_name(type)).c_str(),
                                 [=](benchmark::State& state) { mlp(state, type, 1500); });
  }
  return 0;
}();

}  // namespace
}  // namespace stenod::compute
