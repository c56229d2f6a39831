#include "base/time_text.h"

#include <gtest/gtest.h>

namespace stenod {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(TimeText, IsRfc3339) {
  EXPECT_EQ(format_time(std::chrono::sys_seconds(seconds(0))), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(std::chrono::sys_seconds(seconds(951868799))), "2000-02-29T23:59:59Z");
  EXPECT_EQ(format_time(std::chrono::sys_seconds(seconds(-1))), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_time(std::chrono::sys_time<milliseconds>(milliseconds(1800000000007))), "2027-01-15T08:00:00.007Z");
  EXPECT_EQ(format_time(std::chrono::sys_time<milliseconds>(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace stenod
