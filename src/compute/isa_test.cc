#include "compute/isa.h"

#include <gmock/gmock.h>

#include <string>

#include "compute/cpu/kernels.h"
#include "compute/testing/compute_fixture.h"

namespace stenod::compute {
namespace {

TEST(IsaTest, NamesAreParsedBack) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx}) {
    const auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed.ok()) << isa_name(isa);
    EXPECT_EQ(*parsed, isa);
  }
}

TEST(IsaTest, AutoIsWhatTheMachineHas) {
  const auto automatic = parse_isa("auto");
  const auto detected = detect_isa();
  ASSERT_EQ(automatic.ok(), detected.ok());
  if (!detected.ok()) GTEST_SKIP() << detected.error().message;
  EXPECT_EQ(*automatic, *detected);
}

TEST(IsaTest, RefusesUnknownNamesAndSaysWhichThereAre) {
  for (const char* name : {"", "AVX2", "avx", "avx512 ", "sse4", "avx2,avx512"}) {
    const auto parsed = parse_isa(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message, ::testing::HasSubstr("auto, avx2, avx512, avx512_vnni, avx512_bf16, amx"));
  }
}

class IsaLimitTest : public ComputeFixture {};  // the fixture takes the limit

TEST_F(IsaLimitTest, HoldsForTheProcess) {
  const auto again = limit_isa(isa());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, isa());
  const Isa other = isa() == Isa::kAvx2 ? Isa::kAvx512 : Isa::kAvx2;
  const auto changed = limit_isa(other);
  if (*detect_isa() == Isa::kAvx2) {
    EXPECT_TRUE(changed.ok());  // the machine has nothing else
  } else {
    ASSERT_FALSE(changed.ok());
    EXPECT_EQ(changed.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(IsaLimitTest, HoldsForTheKernels) {
  const std::string target = cpu::kernels_target();
  switch (isa()) {
    case Isa::kAvx2:
      EXPECT_EQ(target, "AVX2");
      break;
    case Isa::kAvx512:
      EXPECT_EQ(target, "AVX3");
      break;
    default:
      EXPECT_THAT(target, ::testing::StartsWith("AVX3"));  // AVX3_DL where the machine has all of that
  }
}

TEST_F(IsaLimitTest, BackendsRefuseAbsurdThreads) {
  for (const int threads : {0, -1, 257}) {
    const auto backend = cpu::CpuBackend::create(threads, isa());
    ASSERT_FALSE(backend.ok());
    EXPECT_EQ(backend.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_GE(cpu::default_num_threads(), 1);
  EXPECT_THAT(make_cpu_backend(3)->name(), ::testing::HasSubstr(std::string(isa_name(isa()))));
}

}  // namespace
}  // namespace stenod::compute
