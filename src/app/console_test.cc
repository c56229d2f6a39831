#include "app/console.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace stenod::app {
namespace {

TEST(Console, NamesOfFilesCannotSteerTheTerminal) {
  EXPECT_EQ(printable("grüße, 会议.wav"), "grüße, 会议.wav");
  EXPECT_EQ(printable("a\x1b]0;title\a\nb\x7f"), "a\\x1b]0;title\\x07\\x0ab\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\x9b31m")
      << "C1";
  EXPECT_EQ(printable("\xFF\xC3"), "\uFFFD\uFFFD");

  init_log("off");  // errors are shown all the same
  ::testing::internal::CaptureStderr();
  {
    Console console(true);
    console.warn("not shown");
    console.error({ErrorCode::kNotFound, "evil\x1b[2J"});
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "error: evil\\x1b[2J (not_found)\n");
}

}  // namespace
}  // namespace stenod::app
