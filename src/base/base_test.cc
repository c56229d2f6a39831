#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/result.h"
#include "base/sha256.h"

namespace stenod {
namespace {

std::filesystem::path fresh_folder() {
  std::string name = std::filesystem::temp_directory_path() / "stenod_base_XXXXXX";
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  return name;
}

Result<int> half(int x) {
  if (x % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd"};
  return x / 2;
}

Result<int> quarter(int x) {
  STENOD_ASSIGN_OR_RETURN(const int h, half(x));
  return half(h);
}

TEST(Result, PropagatesErrors) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(quarter(3).error().message, "odd");
}

TEST(ErrorCodes, HaveUniqueNamesAndMeanings) {
  std::set<std::string_view> names;
  const ErrorCode all[] = {
#define STENOD_ERROR(enumerator, name, meaning) ErrorCode::enumerator,
#include "base/error_codes.def"
#undef STENOD_ERROR
  };
  for (const ErrorCode code : all) {
    EXPECT_TRUE(names.insert(error_name(code)).second) << error_name(code);
    EXPECT_TRUE(error_meaning(code).ends_with('.')) << error_name(code);
  }
}

TEST(Json, ReportsWhereItIsMalformed) {
  EXPECT_EQ(parse_json("{\"a\": [1, 2]}")->at("a").as_array().size(), 2U);
  for (const char* text : {"", "{", "{} x", "[1,]", "\"\xff\""}) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().code, ErrorCode::kJsonMalformed);
  }
  EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')).ok());
}

TEST(Json, FindsKeysThatAreThereTwice) {
  for (const char* text : {"{}", "[1]", R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})", R"({"a":1,"A":1,"":2})"}) {
    EXPECT_TRUE(check_unique_keys(text).ok()) << text;
  }
  for (const char* text :
       {R"({"a":1,"a":1})", R"({"a":1,"\u0061":2})", R"([{"x":{"b":1,"c":2,"b":3}}])", R"({"":1,"":1})"}) {
    const Status status = check_unique_keys(text);
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kJsonDuplicateKey);
  }
  const std::string long_key(5000, 'k');
  EXPECT_FALSE(check_unique_keys("{\"" + long_key + "\":1,\"" + long_key + "\":2}").ok());
}

TEST(File, APipeIsAnErrorAndNotWaitedFor) {
  const auto folder = fresh_folder();
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder / "pipe", 10).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::open(folder / "pipe").error().code, ErrorCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

TEST(File, NewFilesFollowTheUmaskAndOldOnesKeepTheirRights) {
  const auto folder = fresh_folder();
  const auto mode_of = [](const std::filesystem::path& path) {
    struct stat info = {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  };
  const mode_t before = ::umask(027);
  EXPECT_TRUE(write_file_atomic(folder / "new", {}));
  ::umask(022);
  EXPECT_TRUE(write_file_atomic(folder / "usual", {}));
  EXPECT_TRUE(write_file_atomic(folder / "private", {}));
  ::chmod((folder / "private").c_str(), 0600);
  EXPECT_TRUE(write_file_atomic(folder / "private", {}));
  ::umask(before);
  EXPECT_EQ(mode_of(folder / "new"), 0640u);
  EXPECT_EQ(mode_of(folder / "usual"), 0644u);
  EXPECT_EQ(mode_of(folder / "private"), 0600u);
  std::filesystem::remove_all(folder);
}

TEST(File, WritesWhereLinksLeadAndIntoWhatIsNoFile) {
  const auto folder = fresh_folder();
  const std::string text = "hello";
  const auto bytes = std::as_bytes(std::span(text));
  std::filesystem::create_directories(folder / "elsewhere");
  std::filesystem::create_symlink("elsewhere/target", folder / "link");
  ASSERT_TRUE(write_file_atomic(folder / "link", bytes).ok()) << "to nothing yet";
  ASSERT_TRUE(write_file_atomic(folder / "link", bytes).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(*read_file(folder / "elsewhere" / "target", 100), text);
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_FALSE(write_file_atomic(folder / "loop", bytes).ok());

  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(write_file_atomic(folder / "pipe", bytes).ok()) << "nobody reads";
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  EXPECT_TRUE(write_file_atomic(folder / "pipe", bytes).ok());
  char read[6] = {};
  EXPECT_EQ(::read(reader, read, 5), 5);
  EXPECT_STREQ(read, "hello");
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
  EXPECT_FALSE(write_file_atomic(folder / "elsewhere", bytes).ok()) << "a folder";
  std::filesystem::remove_all(folder);
}

TEST(File, WritesAtomicallyAndReadsBack) {
  const auto folder = fresh_folder();
  const std::string text = "hello";
  ASSERT_TRUE(write_file_atomic(folder / "a", std::as_bytes(std::span(text))).ok());
  EXPECT_EQ(*read_file(folder / "a", 100), text);
  EXPECT_EQ(read_file(folder / "a", 4).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(folder / "b", 4).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_file(folder, 4).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(write_file_atomic(folder / "no" / "a", {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  const auto mapped = MappedFile::open(folder / "a");
  ASSERT_TRUE(mapped.ok());
  mapped->release_pages();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()), text);
  std::filesystem::remove_all(folder);
}

TEST(File, FullDiskIsSaidAsSuch) {
  EXPECT_EQ(file_error("cannot write", "x", ENOSPC).code, ErrorCode::kDiskFull);
  EXPECT_EQ(file_error("cannot write", "x", EACCES).code, ErrorCode::kPermissionDenied);
}

TEST(Sha256, MatchesPublishedVectors) {
  // FIPS 180-4 examples.
  const std::string abc = "abc";
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(abc))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha1, KnownValues) {
  // FIPS 180-2, appendix A.1; and what `git hash-object` says of an empty file.
  const std::string a = "a", bc = "bc";
  EXPECT_EQ(sha1_hex({std::as_bytes(std::span(a)), std::as_bytes(std::span(bc))}),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
  const std::string blob("blob 0\0", 7);
  EXPECT_EQ(sha1_hex({std::as_bytes(std::span(blob))}), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(Paths, FollowTheEnvironment) {
  setenv("STENOD_MODEL_DIR", "/m", 1);
  EXPECT_EQ(model_dir(), "/m");
  unsetenv("STENOD_MODEL_DIR");
  setenv("XDG_DATA_HOME", "/d", 1);
  EXPECT_EQ(model_dir(), "/d/stenod/models");
  setenv("XDG_DATA_HOME", "relative", 1);
  setenv("HOME", "/h", 1);
  EXPECT_EQ(model_dir(), "/h/.local/share/stenod/models");
}

}  // namespace
}  // namespace stenod
