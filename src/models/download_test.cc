#include "models/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/sha256.h"
#include "net/testing/loopback_server.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;
using net::testing::Answer;
using net::testing::LoopbackServer;
using net::testing::ServedRequest;
using ::testing::HasSubstr;

class DownloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_download_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::uint32_t state = 1;
    for (char& c : content_) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    options_.min_segment_size = 1000;
    options_.max_segment_size = 20'000;
    options_.backoff.first_wait = std::chrono::milliseconds(1);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Download download(const std::string& url) const {
    return {
        url, folder_ / "f", content_.size(), {Checksum::Kind::kSha256, sha256_hex(std::as_bytes(std::span(content_)))}};
  }
  Status run(const std::string& url, std::stop_token stop = {}) {
    done_ = 0;
    return download_file(
        download(url), options_, [this](std::int64_t bytes) { done_ += bytes; }, stop);
  }
  Status run(const LoopbackServer& server, std::stop_token stop = {}) { return run(server.url("/f"), stop); }
  void expect_there(const Status& status) const {
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(*read_file(folder_ / "f", 1 << 20), content_);
    EXPECT_EQ(done_, static_cast<std::int64_t>(content_.size()));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  }
  void expect_error(const Status& status, ErrorCode code, const std::string& part) const {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(error_name(status.error().code), error_name(code)) << status.error().message;
    EXPECT_THAT(status.error().message, HasSubstr(part));
    EXPECT_FALSE(fs::exists(folder_ / "f"));
  }
  static std::size_t first_byte(const ServedRequest& request) {
    const auto range = request.headers.find("range");
    return range == request.headers.end() ? 0 : std::stoull(range->second.substr(6));
  }

  fs::path folder_;
  std::string content_ = std::string(100'000, ' ');
  DownloadOptions options_;
  std::int64_t done_ = 0;
};

TEST_F(DownloadTest, SeveralConnectionsShareAFile) {
  LoopbackServer server([&](const ServedRequest& r) { return serve_range(r, content_); });
  expect_there(run(server));
  std::set<std::string> ranges;
  for (const auto& request : server.requests()) ranges.insert(request.headers.at("range"));
  EXPECT_EQ(ranges, (std::set<std::string>{"bytes=0-19999", "bytes=20000-39999", "bytes=40000-59999",
                                           "bytes=60000-79999", "bytes=80000-99999"}));
  EXPECT_EQ(server.requests().size(), 5U);
  // What is there is not asked for again.
  expect_there(run(server));
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(DownloadTest, ConnectionsRunAtTheSameTime) {
  // Each answer stalls until the client gives up, so only a client with as many connections sees so many.
  LoopbackServer server([&](const ServedRequest& r) {
    Answer answer = serve_range(r, content_);
    answer.stall_after = 100;
    return answer;
  });
  std::stop_source source;
  std::jthread canceller([&] {
    for (int i = 0; i < 500 && server.requests().size() < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    source.request_stop();
  });
  options_.num_connections = 3;
  expect_error(run(server, source.get_token()), ErrorCode::kCancelled, "cancelled");
  EXPECT_EQ(server.requests().size(), 3U);
  EXPECT_EQ(done_, 300);
  // Each goes on where it was.
  LoopbackServer fast([&](const ServedRequest& r) { return serve_range(r, content_); });
  expect_there(run(fast));
  std::set<std::size_t> starts;
  for (const auto& request : fast.requests()) starts.insert(first_byte(request));
  EXPECT_EQ(starts, (std::set<std::size_t>{100, 20'100, 40'100, 60'000, 80'000}));
}

TEST_F(DownloadTest, AServerWithoutRangesWorksToo) {
  LoopbackServer server([&](const ServedRequest&) { return Answer{.body = content_}; });
  expect_there(run(server));
  // Nor is it asked for parts again where that failed once.
  fs::remove(folder_ / "f");
  bool is_cut = true;
  LoopbackServer cut([&](const ServedRequest&) {
    Answer answer{.body = content_, .content_length = static_cast<long long>(content_.size())};
    if (std::exchange(is_cut, false)) answer.body.resize(50'000);
    return answer;
  });
  options_.min_segment_size = content_.size();
  options_.max_segment_size = content_.size();
  expect_there(run(cut));
  EXPECT_EQ(cut.requests().size(), 2U);
}

TEST_F(DownloadTest, SurvivesBeingKilled) {
  // Forks before there are threads, so that the child may start its own, and tells it the address later.
  int address[2];
  ASSERT_EQ(::pipe(address), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char url[100] = "";
    if (::read(address[0], url, sizeof(url) - 1) > 0) (void)run(std::string(url));
    ::_exit(0);
  }
  LoopbackServer slow([&](const ServedRequest& r) {
    Answer answer = serve_range(r, content_);
    answer.stall_after = 5'000;
    return answer;
  });
  const std::string url = slow.url("/f");
  ASSERT_EQ(::write(address[1], url.data(), url.size()), static_cast<ssize_t>(url.size()));
  const auto state_of_segment = [&](int index) {
    std::uint64_t done = 0;
    std::ifstream state(folder_ / "f.state", std::ios::binary);
    state.seekg(8 * (4 + index));
    state.read(reinterpret_cast<char*>(&done), 8);
    return state ? done : 0;
  };
  for (int i = 0; i < 3000; ++i) {
    bool are_stalled = true;
    for (int segment = 0; segment < 4; ++segment) are_stalled = are_stalled && state_of_segment(segment) == 5'000;
    if (are_stalled) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  for (const int fd : address) ::close(fd);
  LoopbackServer server([&](const ServedRequest& r) { return serve_range(r, content_); });
  expect_there(run(server));
  std::set<std::size_t> starts;
  for (const auto& request : server.requests()) starts.insert(first_byte(request));
  EXPECT_EQ(starts, (std::set<std::size_t>{5'000, 25'000, 45'000, 65'000, 80'000}));
}

TEST_F(DownloadTest, TriesAgainWhatMayPass) {
  std::atomic<int> num_calls = 0;
  LoopbackServer server([&](const ServedRequest& r) {
    switch (++num_calls) {
      case 2:
        return Answer{.status = 503};
      case 3:
        return Answer{.status = 429, .headers = {"Retry-After: 1"}};
      case 5: {
        Answer answer = serve_range(r, content_);
        answer.content_length = static_cast<long long>(answer.body.size());
        answer.body.resize(7'000);
        return answer;
      }
      default:
        return serve_range(r, content_);
    }
  });
  const auto start = std::chrono::steady_clock::now();
  expect_there(run(server));
  EXPECT_EQ(num_calls, 8);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(1)) << "as Retry-After says";
}

TEST_F(DownloadTest, GivesUpInTheEnd) {
  options_.backoff.max_failures = 3;
  options_.num_connections = 1;
  LoopbackServer broken([](const ServedRequest&) { return Answer{.status = 500}; });
  expect_error(run(broken), ErrorCode::kNetHttpStatus, "status 500");
  EXPECT_EQ(broken.requests().size(), 3U);
  LoopbackServer absent([](const ServedRequest&) { return Answer{.status = 404}; });
  expect_error(run(absent), ErrorCode::kNetHttpStatus, "status 404");
  EXPECT_EQ(absent.requests().size(), 1U);
  LoopbackServer busy([](const ServedRequest&) { return Answer{.status = 429, .headers = {"Retry-After: 3600"}}; });
  expect_error(run(busy), ErrorCode::kNetHttpStatus, "asks to wait for 3600 s");
  EXPECT_EQ(busy.requests().size(), 1U);
}

TEST_F(DownloadTest, AStalledConnectionIsOpenedAgain) {
  options_.stall_timeout = std::chrono::milliseconds(500);
  std::atomic<int> num_calls = 0;
  LoopbackServer server([&](const ServedRequest& r) {
    Answer answer = serve_range(r, content_);
    if (++num_calls == 1) answer.stall_after = 1'000;
    return answer;
  });
  expect_there(run(server));
  EXPECT_EQ(num_calls, 6);
}

TEST_F(DownloadTest, WrongBytesAreRemoved) {
  std::string wrong = content_;
  wrong[50'000] = static_cast<char>(wrong[50'000] ^ 1);
  LoopbackServer server([&](const ServedRequest& r) { return serve_range(r, wrong); });
  const auto status = run(server);
  expect_error(status, ErrorCode::kModelBadChecksum, "f.part: SHA-256 ");
  EXPECT_THAT(status.error().message, HasSubstr(sha256_hex(std::as_bytes(std::span(wrong)))));
  EXPECT_THAT(status.error().message, HasSubstr("expected " + download("").checksum.hex));
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(server.requests().size(), 5U) << "once: nothing old was at fault";
}

TEST_F(DownloadTest, OldBytesThatDoNotFitAreFetchedAgain) {
  LoopbackServer stalling([&](const ServedRequest& r) {
    Answer answer = serve_range(r, std::string(content_.size(), 'x'));
    if (first_byte(r) != 0) answer.status = 404;
    return answer;
  });
  options_.num_connections = 1;
  expect_error(run(stalling), ErrorCode::kNetHttpStatus, "404");
  LoopbackServer server([&](const ServedRequest& r) { return serve_range(r, content_); });
  expect_there(run(server));
  EXPECT_EQ(server.requests().size(), 4U + 5U);
}

TEST_F(DownloadTest, AFileOfAnotherSizeIsAnError) {
  options_.min_segment_size = content_.size();
  options_.max_segment_size = content_.size();
  for (const long long change : {-1, 1}) {
    LoopbackServer server(
        [&](const ServedRequest& r) { return serve_range(r, change > 0 ? content_ + "x" : content_.substr(1)); });
    expect_error(run(server), change > 0 ? ErrorCode::kNetTooLarge : ErrorCode::kModelBadChecksum, "expected");
  }
}

TEST_F(DownloadTest, SmallFilesMayHaveGitsChecksum) {
  content_ = "hello\n";
  LoopbackServer server([&](const ServedRequest& r) { return serve_range(r, content_); });
  Download wanted = download(server.url("/f"));
  // echo hello | git hash-object --stdin
  wanted.checksum = {Checksum::Kind::kGitBlob, "ce013625030ba8dba906f756967f9e9ca394464a"};
  EXPECT_TRUE(download_file(wanted, options_, [](std::int64_t) {}, {}).ok());
  EXPECT_EQ(*read_file(folder_ / "f", 100), content_);
  wanted.checksum.hex[0] = 'd';
  const auto status = download_file(wanted, options_, [](std::int64_t) {}, {});
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message,
              HasSubstr("Git blob SHA-1 ce013625030ba8dba906f756967f9e9ca394464a, expected de0"));
}

}  // namespace
}  // namespace stenod::models
