#include "models/part_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/file.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

class PartFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_part_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  PartFile open(std::uint64_t size = 10, std::uint64_t key = 7, std::uint64_t segment_size = 4) {
    auto file = PartFile::open(path(), size, key, segment_size);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return *std::move(file);
  }
  static Status write(PartFile& file, std::size_t segment, const std::string& text) {
    return file.write(segment, std::as_bytes(std::span(text)));
  }
  fs::path path() const { return folder_ / "f"; }

  fs::path folder_;
};

TEST_F(PartFileTest, FillsSegmentsInAnyOrder) {
  PartFile file = open();
  ASSERT_EQ(file.segments().size(), 3U);
  EXPECT_EQ(file.segments()[2].offset, 8U);
  EXPECT_EQ(file.segments()[2].size, 2U);
  ASSERT_TRUE(write(file, 2, "89").ok());
  ASSERT_TRUE(write(file, 0, "01").ok());
  ASSERT_TRUE(write(file, 1, "4567").ok());
  EXPECT_EQ(file.bytes_done(), 8U);
  EXPECT_FALSE(file.segments()[0].is_complete());
  ASSERT_TRUE(write(file, 0, "23").ok());
  ASSERT_TRUE(file.sync().ok());
  ASSERT_TRUE(file.commit().ok());
  EXPECT_EQ(*read_file(path(), 100), "0123456789");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(PartFileTest, GoesOnWithWhatIsThere) {
  {
    PartFile file = open();
    ASSERT_TRUE(write(file, 1, "456").ok());
  }
  {
    PartFile file = open(10, 7, 10);
    ASSERT_EQ(file.segments().size(), 3U) << "as they were";
    EXPECT_EQ(file.segments()[1].done, 3U);
    ASSERT_TRUE(file.rewind(1).ok());
  }
  PartFile file = open();
  EXPECT_EQ(file.bytes_done(), 0U);
  ASSERT_TRUE(write(file, 1, "456").ok());
  ASSERT_TRUE(file.restart_as_one().ok());
  EXPECT_EQ(file.segments().size(), 1U);
  PartFile again = open();
  ASSERT_EQ(again.segments().size(), 1U);
  EXPECT_EQ(again.segments()[0].size, 10U);
  EXPECT_EQ(again.bytes_done(), 0U);
}

TEST_F(PartFileTest, TrustsNoStateThatDoesNotFit) {
  const auto prepare = [&] {
    PartFile file = open();
    ASSERT_TRUE(write(file, 1, "456").ok());
    ASSERT_TRUE(file.sync().ok());
  };
  const auto poke = [&](int word, std::uint64_t value) {
    std::fstream state(folder_ / "f.state", std::ios::in | std::ios::out | std::ios::binary);
    state.seekp(word * 8);
    state.write(reinterpret_cast<const char*>(&value), 8);
  };
  const std::pair<const char*, std::function<void()>> damages[] = {
      {"another size", [&] { EXPECT_EQ(open(11).bytes_done(), 0U); }},
      {"another key", [&] { EXPECT_EQ(open(10, 8).bytes_done(), 0U); }},
      {"no magic", [&] { poke(0, 1); }},
      {"no segment size", [&] { poke(3, 0); }},
      {"another size in the state", [&] { poke(2, std::uint64_t{1} << 60); }},
      {"more than a segment holds", [&] { poke(5, 5); }},
      {"cut off", [&] { fs::resize_file(folder_ / "f.state", 50); }},
      {"empty", [&] { fs::resize_file(folder_ / "f.state", 0); }},
      {"the bytes are gone", [&] { fs::remove(folder_ / "f.part"); }},
      {"some bytes are gone", [&] { fs::resize_file(folder_ / "f.part", 9); }},
  };
  for (const auto& [what, damage] : damages) {
    prepare();
    EXPECT_EQ(open().bytes_done(), 3U) << what;
    damage();
    const PartFile file = open();
    EXPECT_EQ(file.bytes_done(), 0U) << what;
    EXPECT_EQ(fs::file_size(folder_ / "f.part"), 10U) << what;
    fs::remove(folder_ / "f.state");
  }
}

TEST_F(PartFileTest, EmptyFilesAndManySegments) {
  PartFile empty = open(0);
  EXPECT_TRUE(empty.segments().empty());
  ASSERT_TRUE(empty.commit().ok());
  EXPECT_EQ(fs::file_size(path()), 0U);
  EXPECT_LE(open(1 << 20, 1, 1).segments().size(), 1U << 16) << "segments are bounded";
}

TEST_F(PartFileTest, AFullDiskIsToldBeforeTheFirstByte) {
  const auto file = PartFile::open(path(), std::uint64_t{1} << 50, 1, std::uint64_t{1} << 40);
  ASSERT_FALSE(file.ok());
  // File systems have an upper limit for files, too.
  EXPECT_TRUE(file.error().code == ErrorCode::kDiskFull || file.error().code == ErrorCode::kIoError)
      << file.error().message;
}

}  // namespace
}  // namespace stenod::models
