#include "api/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

#include "audio/testing/audio_files.h"
#include "base/file.h"

namespace stenod::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::unique_ptr<SpoolFolder> open(const std::filesystem::path& path, SpoolLimits limits = {}) {
  auto opened = SpoolFolder::open(path, limits);
  EXPECT_TRUE(opened) << opened.error().message;
  return *std::move(opened);
}

std::unique_ptr<SpoolFile> create(SpoolFolder& folder) {
  auto created = folder.create();
  EXPECT_TRUE(created) << created.error().message;
  return *std::move(created);
}

class Spool : public ::testing::Test {
 protected:
  audio::testing::TempFolder temp_;
  const std::filesystem::path path_ = temp_.path() / "data" / "spool";
};

TEST_F(Spool, FilesCanBeReadByTheirPathAndHaveNoName) {
  const auto folder = open(path_);
  auto file = create(*folder);
  ASSERT_TRUE(file->append(bytes_of("abc")));
  ASSERT_TRUE(file->append(bytes_of("")));
  ASSERT_TRUE(file->append(bytes_of("defg")));
  EXPECT_EQ(file->size(), 7u);
  EXPECT_EQ(folder->total_bytes(), 7u);
  const auto content = read_file(file->path(), 100);
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(*content, "abcdefg");
  EXPECT_TRUE(std::filesystem::is_empty(path_)) << "it would stay after a crash";
  file.reset();
  EXPECT_EQ(folder->total_bytes(), 0u);
}

TEST_F(Spool, ItsFolderIsForTheOwnerAlone) {
  const auto folder = open(path_);
  struct stat info = {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(Spool, FilesThatAKilledProcessLeftAreRemovedAndOthersKept) {
  std::filesystem::create_directories(path_);
  for (const char* name : {"upload-abc123", "upload-def456", "notes.txt"}) {
    ASSERT_TRUE(write_file_atomic(path_ / name, bytes_of("x")));
  }
  const auto folder = open(path_);
  EXPECT_FALSE(std::filesystem::exists(path_ / "upload-abc123"));
  EXPECT_FALSE(std::filesystem::exists(path_ / "upload-def456"));
  EXPECT_TRUE(std::filesystem::exists(path_ / "notes.txt"));
}

TEST_F(Spool, AFileHasALimit) {
  const auto folder = open(path_, {.max_file_bytes = 5});
  const auto file = create(*folder);
  EXPECT_TRUE(file->append(bytes_of("abcde")));
  const Status more = file->append(bytes_of("f"));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kPayloadTooLarge);
  EXPECT_THAT(more.error().message, HasSubstr("5 bytes"));
  EXPECT_EQ(create(*folder)->append(bytes_of("abcdef")).error().code, ErrorCode::kPayloadTooLarge);
  EXPECT_EQ(folder->total_bytes(), 5u);
}

TEST_F(Spool, AllFilesTogetherHaveALimit) {
  const auto folder = open(path_, {.max_file_bytes = 100, .max_total_bytes = 10});
  auto a = create(*folder);
  const auto b = create(*folder);
  EXPECT_TRUE(a->append(bytes_of("12345678")));
  const Status more = b->append(bytes_of("123"));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kOverloaded);
  a.reset();
  const auto c = create(*folder);
  EXPECT_TRUE(c->append(bytes_of("1234567"))) << "what is gone does not count any more";
}

TEST_F(Spool, AFullDiskIsAnErrorThatNamesNoFolder) {
  // What a limit on the size of files does is the nearest thing to a full disk that a test can make.
  const auto folder = open(path_);
  const auto file = create(*folder);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status written = file->append(bytes_of(std::string(100, 'x')));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kDiskFull);
  EXPECT_THAT(written.error().message, Not(HasSubstr(path_.string())));
}

TEST_F(Spool, AFolderThatCannotBeUsedIsAnErrorAtOnce) {
  const auto file = temp_.write("file", "x");
  EXPECT_FALSE(SpoolFolder::open(file));
  EXPECT_FALSE(SpoolFolder::open(file / "below"));
  if (::geteuid() != 0) {
    std::filesystem::create_directories(path_);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    const auto opened = SpoolFolder::open(path_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kPermissionDenied);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
}

}  // namespace
}  // namespace stenod::api
