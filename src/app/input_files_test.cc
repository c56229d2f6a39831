#include "app/input_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace stenod::app {
namespace {

TEST(InputFiles, WhatIsNoRecordingIsRefusedWithWhatToDo) {
  std::string folder = ::testing::TempDir() + "/stenod_input_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  ASSERT_EQ(::mkfifo((folder + "/pipe").c_str(), 0600), 0);
  const std::pair<std::string, const char*> cases[] = {{"", "an empty name"},
                                                       {"-", "save it as a file"},
                                                       {folder, "is a folder; give the files in it"},
                                                       {folder + "/pipe", "is a pipe"},
                                                       {"https://example.org/talk.mp3", "download it"}};
  for (const auto& [file, part] : cases) {
    const Status refused = check_input(file);
    ASSERT_FALSE(refused.ok()) << file;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, ::testing::StartsWith(file.empty() ? "''" : file));
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr(part));
  }
  // Opening tells what is wrong with these.
  EXPECT_TRUE(check_input(folder + "/absent.wav").ok());
  EXPECT_TRUE(check_input("/dev/null").ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace stenod::app
