#include "access/failure_limiter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace stenod::access {
namespace {

using std::chrono::seconds;

const std::chrono::system_clock::time_point kStart{seconds(1800000000)};

IpAddress address(const std::string& text) { return *IpAddress::parse(text); }

TEST(FailureLimiter, AllowsABurstAndThenOneNowAndThen) {
  FailureLimiter limiter(1);
  const IpAddress client = address("192.0.2.1");
  for (int i = 0; i < FailureLimiter::kBurst; ++i) EXPECT_FALSE(limiter.fail(client, kStart)) << i;
  EXPECT_EQ(limiter.fail(client, kStart), FailureLimiter::kRefill);
  EXPECT_EQ(limiter.fail(client, kStart + seconds(2)), FailureLimiter::kRefill - seconds(2))
      << "what was refused does not make the wait longer";
  EXPECT_FALSE(limiter.fail(client, kStart + FailureLimiter::kRefill));
  EXPECT_TRUE(limiter.fail(client, kStart + FailureLimiter::kRefill));
  for (int i = 0; i < FailureLimiter::kBurst; ++i) EXPECT_FALSE(limiter.fail(client, kStart + seconds(3600)));
}

TEST(FailureLimiter, AClockThatIsPutBackNeitherForgivesNorBlocksForLong) {
  FailureLimiter limiter(1);
  const IpAddress client = address("192.0.2.1");
  for (int i = 0; i < FailureLimiter::kBurst; ++i) (void)limiter.fail(client, kStart);
  EXPECT_TRUE(limiter.fail(client, kStart - seconds(86400)));
  EXPECT_FALSE(limiter.fail(client, kStart - seconds(86400) + FailureLimiter::kRefill));
}

TEST(FailureLimiter, OthersAreNotHeldUp) {
  FailureLimiter limiter(1);
  for (int i = 0; i <= FailureLimiter::kBurst; ++i) (void)limiter.fail(address("192.0.2.1"), kStart);
  EXPECT_TRUE(limiter.fail(address("192.0.2.1"), kStart));
  int num_held_up = 0;
  for (int i = 0; i < 100; ++i) num_held_up += limiter.fail(address(fmt::format("198.51.100.{}", i)), kStart) ? 1 : 0;
  EXPECT_LE(num_held_up, 2) << "few share a place of the table";
}

TEST(FailureLimiter, AddressesOfOneSubscriberCountTogether) {
  FailureLimiter limiter(1);
  for (int i = 0; i < FailureLimiter::kBurst; ++i) {
    EXPECT_FALSE(limiter.fail(address(fmt::format("2001:db8::{}", i + 1)), kStart));
  }
  EXPECT_TRUE(limiter.fail(address("2001:db8::ffff"), kStart));
}

TEST(FailureLimiter, AnyNumberOfAddressesNeedsNoMoreMemory) {
  FailureLimiter limiter(1);
  int num_refused = 0;
  constexpr int kNumAddresses = 200000;
  for (int i = 0; i < kNumAddresses; ++i) {
    const IpAddress client = address(fmt::format("10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255));
    num_refused += limiter.fail(client, kStart) ? 1 : 0;
  }
  // Every place of the table has given what it can, and no more.
  EXPECT_EQ(kNumAddresses - num_refused, static_cast<int>(FailureLimiter::kNumPlaces) * FailureLimiter::kBurst);
}

}  // namespace
}  // namespace stenod::access
