#include "app/output_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OutputFiles, AreNamedAfterTheInputs) {
  const auto planned =
      plan_output_files("out", {"talk.mp3", "/far/away/call.1.wav", "no extension"}, text::Format::kText);
  ASSERT_TRUE(planned.ok());
  EXPECT_THAT(*planned, ElementsAre("out/talk.txt", "out/call.1.txt", "out/no extension.txt"));
}

TEST(OutputFiles, AreNeverShared) {
  const auto planned = plan_output_files("out", {"talk.mp3", "b.wav", "other/talk.wav"}, text::Format::kSrt);
  ASSERT_FALSE(planned.ok());
  EXPECT_EQ(planned.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(planned.error().message, HasSubstr("talk.mp3"));
  EXPECT_THAT(planned.error().message, HasSubstr("other/talk.wav"));
  EXPECT_FALSE(plan_output_files("out", {"same.mp3", "same.mp3"}, text::Format::kSrt).ok());
}

}  // namespace
}  // namespace stenod::app
