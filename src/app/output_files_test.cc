#include "app/output_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace stenod::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector kSrt = {text::Format::kSrt};

TEST(OutputFiles, AreNamedAfterTheInputs) {
  const std::vector formats = {text::Format::kText, text::Format::kSrt};
  const auto planned = plan_output_files("out", {"talk.mp3", "/far/away/call.1.wav", "no extension"}, formats);
  ASSERT_TRUE(planned.ok());
  EXPECT_THAT(*planned,
              ElementsAre(ElementsAre("out/talk.txt", "out/talk.srt"), ElementsAre("out/call.1.txt", "out/call.1.srt"),
                          ElementsAre("out/no extension.txt", "out/no extension.srt")));
}

TEST(OutputFiles, AreNeverShared) {
  const auto planned = plan_output_files("out", {"talk.mp3", "b.wav", "other/talk.wav"}, kSrt);
  ASSERT_FALSE(planned.ok());
  EXPECT_EQ(planned.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(planned.error().message, HasSubstr("talk.mp3"));
  EXPECT_THAT(planned.error().message, HasSubstr("other/talk.wav"));
  EXPECT_FALSE(plan_output_files("out", {"same.mp3", "same.mp3"}, kSrt).ok());
}

class OutputFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_output_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(OutputFolder, InputsAreNeverReplaced) {
  namespace fs = std::filesystem;
  const auto refuses = [&](const fs::path& folder, const std::vector<std::string>& inputs, text::Format format) {
    const auto planned = plan_output_files(folder, inputs, std::vector{format});
    if (planned) return false;
    EXPECT_EQ(planned.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(planned.error().message, HasSubstr(inputs.front()));
    return true;
  };
  const std::string recording = folder_ / "clip.txt", other = folder_ / "clip.wav", absent = folder_ / "none.txt";
  std::ofstream{recording} << "x";
  std::ofstream{other} << "x";
  fs::create_directories(folder_ / "linked");
  fs::create_directory_symlink(folder_, folder_ / "linked" / "here");
  fs::create_symlink(recording, folder_ / "linked" / "clip.txt");
  EXPECT_TRUE(refuses(folder_, {recording}, text::Format::kText)) << "by itself";
  EXPECT_TRUE(refuses(folder_, {other, recording}, text::Format::kText)) << "by another's text";
  EXPECT_TRUE(refuses(folder_ / "linked" / "here", {recording}, text::Format::kText)) << "through a linked folder";
  EXPECT_TRUE(refuses(folder_ / "linked", {recording}, text::Format::kText)) << "through a link";
  EXPECT_FALSE(refuses(folder_, {recording}, text::Format::kSrt));
  EXPECT_FALSE(refuses(folder_, {other}, text::Format::kText)) << "an old result is replaced";
  EXPECT_FALSE(refuses(folder_, {absent}, text::Format::kText));
}

TEST_F(OutputFolder, ResultsReplaceNeitherInputsNorEachOther) {
  namespace fs = std::filesystem;
  const fs::path input = folder_ / "set.jsonl";
  std::ofstream{input} << "x";
  fs::create_symlink(input, folder_ / "link");
  const auto message = [&](const fs::path& json, const fs::path& output) {
    const Status checked = check_output_files(std::array{json, output}, std::array{input, fs::path()});
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(message(folder_ / "a.json", folder_ / "b.jsonl"), "");
  EXPECT_EQ(message({}, {}), "");
  EXPECT_THAT(message(folder_ / "set.jsonl", {}), HasSubstr("would replace the input"));
  EXPECT_THAT(message({}, folder_ / "link"), HasSubstr("would replace the input"));
  EXPECT_THAT(message(folder_ / "a", folder_ / "." / "a"), HasSubstr("two results"));
  EXPECT_THAT(message(folder_, {}), HasSubstr("is a folder"));
  EXPECT_THAT(message(folder_ / "no" / "a", {}), HasSubstr("there is no folder"));
}

TEST_F(OutputFolder, IsMadeAndTried) {
  EXPECT_TRUE(prepare_output_folder(folder_ / "a" / "b").ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "a" / "b"));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_FALSE(prepare_output_folder(folder_ / "file").ok());
  const Status refused = prepare_output_folder("/proc/self");  // not even root can create files there
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("/proc/self: cannot write to the folder"));
}

}  // namespace
}  // namespace stenod::app
