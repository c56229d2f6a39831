#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compute/cpu/cpu_backend.h"
#include "compute/isa.h"

namespace stenod::compute {

/// Holds the process to the instruction set that STENOD_MAX_ISA names (the machine's best without it), and
/// skips the test on a machine that lacks it. oneDNN takes its limit once a process, so one run tests one
/// instruction set; CTest registers the same tests once for each.
class ComputeFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const name = std::getenv("STENOD_MAX_ISA");
    const auto wanted = parse_isa(name != nullptr ? name : "auto");
    ASSERT_TRUE(wanted.ok()) << wanted.error().message;
    const auto machine = detect_isa();
    if (!machine.ok()) GTEST_SKIP() << machine.error().message;
    if (*wanted > *machine) GTEST_SKIP() << "this machine offers " << isa_name(*machine) << ", not " << name;
    const auto limited = limit_isa(*wanted);
    ASSERT_TRUE(limited.ok()) << limited.error().message;
    isa_ = *limited;
  }

  std::unique_ptr<cpu::CpuBackend> make_cpu_backend(int num_threads) const {
    auto backend = cpu::CpuBackend::create(num_threads, isa_);
    EXPECT_TRUE(backend.ok()) << backend.error().message;
    return std::move(backend).value();
  }

  bool has(ComputeType type) const { return type != ComputeType::kBFloat16 || isa_ >= Isa::kAvx512Bf16; }
  /// The largest 8-bit input: see kernels.h.
  int max_quantised() const { return isa_ >= Isa::kAvx512Vnni ? 255 : 127; }
  Isa isa() const { return isa_; }

 private:
  Isa isa_ = Isa::kAvx2;
};

/// Uniform values of variance scale^2; the same for the same seed.
inline void fill_random(std::span<float> values, std::uint64_t seed, float scale = 1.0f) {
  std::uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u;
  for (float& value : values) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    value = (static_cast<float>(state >> 40) * 0x1p-23f - 1.0f) * 1.7320508f * scale;
  }
}

inline std::vector<float> random_values(std::int64_t count, std::uint64_t seed, float scale = 1.0f) {
  std::vector<float> values(static_cast<std::size_t>(count));
  fill_random(values, seed, scale);
  return values;
}

/// Weights whose products with inputs of variance 1 have variance 1.
inline LinearSource random_weights(std::int64_t outputs, std::int64_t inputs, std::span<const float> bias = {}) {
  return {.outputs = outputs,
          .inputs = inputs,
          .read_row =
              [inputs](std::int64_t row, std::span<float> values) {
                fill_random(values, static_cast<std::uint64_t>(row) + 1000,
                            1.0f / std::sqrt(static_cast<float>(inputs)));
              },
          .bias = bias};
}

inline std::string compute_type_test_name(const ::testing::TestParamInfo<ComputeType>& info) {
  return std::string(compute_type_name(info.param));
}

}  // namespace stenod::compute
