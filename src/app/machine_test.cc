#include "app/machine.h"

#include <gtest/gtest.h>

#include <chrono>

#include "app/product_speed.h"
#include "compute/isa.h"

namespace stenod::app {
namespace {

TEST(Machine, FindsValues) {
  const char* text = "processor\t: 0\nmodel name\t: Some CPU @ 2:00\nmodel name\t: Another\nempty:\nMemTotal:    12 kB";
  EXPECT_EQ(find_proc_value(text, "model name"), "Some CPU @ 2:00");
  EXPECT_EQ(find_proc_value(text, "MemTotal"), "12 kB");
  EXPECT_EQ(find_proc_value(text, "model"), "");
  EXPECT_EQ(find_proc_value(text, "empty"), "");
  EXPECT_EQ(find_proc_value("", "model name"), "");
}

TEST(Machine, IsDescribed) {
  const Machine machine = describe_machine();
  EXPECT_FALSE(machine.cpu_model.empty());
  EXPECT_GT(machine.memory_bytes, 64u << 20);
  EXPECT_LE(machine.available_memory_bytes, machine.memory_bytes);
}

TEST(ProductSpeed, CountsAMultiplyAddAsTwoOperations) {
  EXPECT_DOUBLE_EQ(product_speed(1, std::chrono::seconds(1)), 2.0 * 512 * 2048);
  EXPECT_DOUBLE_EQ(product_speed(64, std::chrono::milliseconds(10)), 100 * 64 * 2.0 * 512 * 2048);
}

TEST(ProductSpeed, IsMeasuredWithEveryTypeOfTheProcessor) {
  const auto isa = compute::detect_isa();
  if (!isa) GTEST_SKIP() << isa.error().message;
  const auto backend = compute::cpu::CpuBackend::create(1, *isa);
  ASSERT_TRUE(backend.ok());
  for (const auto type :
       {compute::ComputeType::kInt8, compute::ComputeType::kBFloat16, compute::ComputeType::kFloat32}) {
    const auto speed = measure_product_speed(**backend, type);
    if (type == compute::ComputeType::kBFloat16 && *isa < compute::Isa::kAvx512Bf16) {
      EXPECT_EQ(speed.error().code, ErrorCode::kNotSupported);
      continue;
    }
    ASSERT_TRUE(speed.ok()) << speed.error().message;
    EXPECT_GT(speed->many_rows, 0);
    EXPECT_GT(speed->one_row, 0);
    EXPECT_GT(speed->peak, 0);
  }
}

}  // namespace
}  // namespace stenod::app
