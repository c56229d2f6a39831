#include "app/product_speed.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "compute/cpu/peak.h"

namespace stenod::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kInputs = 512, kOutputs = 2048, kManyRows = 64;
constexpr auto kDuration = std::chrono::milliseconds(100);

double best_speed(compute::cpu::CpuBackend& backend, const compute::LinearArgs& args) {
  double best = 0;
  const auto end = Clock::now() + kDuration;
  for (auto now = Clock::now(); now < end;) {
    const auto start = now;
    backend.linear(args);
    now = Clock::now();
    best = std::max(best, product_speed(args.input.rows, now - start));
  }
  return best;
}

}  // namespace

double product_speed(std::int64_t rows, std::chrono::duration<double> time) {
  return 2.0 * static_cast<double>(rows) * kInputs * kOutputs / time.count();
}

Result<ProductSpeed> measure_product_speed(compute::cpu::CpuBackend& backend, compute::ComputeType type) {
  compute::LinearSource source;
  source.outputs = kOutputs;
  source.inputs = kInputs;
  source.read_row = [](std::int64_t row, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((static_cast<std::size_t>(row) * 31 + i * 17) % 255) / 127 - 1;
    }
  };
  STENOD_ASSIGN_OR_RETURN(const auto weights, backend.pack(source, type));
  STENOD_ASSIGN_OR_RETURN(const auto input, backend.allocate(kManyRows * kInputs * sizeof(float)));
  STENOD_ASSIGN_OR_RETURN(const auto output, backend.allocate(kManyRows * kOutputs * sizeof(float)));
  std::vector<float> values(kManyRows * kInputs);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 251) / 125 - 1;
  backend.upload(input->data(), values.data(), values.size() * sizeof(float));

  compute::LinearArgs args;
  args.weights = weights.get();
  args.input = {input->as<float>(), kManyRows, kInputs, kInputs};
  args.output.data = output->data();
  args.output.row_stride = kOutputs;

  ProductSpeed speed{type};
  speed.many_rows = best_speed(backend, args);
  args.input.rows = 1;
  speed.one_row = best_speed(backend, args);
  speed.peak = compute::cpu::measure_peak(type, backend.isa(), backend.num_threads());
  return speed;
}

}  // namespace stenod::app
