// Pulls from a hub that behaves as the real one: what the catalogue has no checksums of, and any repository.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/file.h"
#include "base/sha256.h"
#include "models/pull.h"
#include "models/pull_record.h"
#include "net/testing/loopback_server.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;
using net::testing::Answer;
using net::testing::LoopbackServer;
using net::testing::ServedRequest;
using ::testing::HasSubstr;
using ::testing::Not;

/// A repository on a hub whose large files lie elsewhere, with another origin.
class MockHub {
 public:
  std::string repository = "owner/mini", commit = std::string(40, '1');
  std::map<std::string, std::string> files;  ///< more than 1000 bytes: kept in LFS
  std::string token;                         ///< the one that may read it; empty: everybody
  bool is_gated = false;                     ///< everybody may list it, though
  std::function<void(const ServedRequest&, Answer&)> spoil = [](const auto&, auto&) {};

  std::string url() const { return hub_.url(); }
  std::vector<ServedRequest> hub_requests() const { return hub_.requests(); }
  std::vector<ServedRequest> cdn_requests() const { return cdn_.requests(); }

 private:
  Answer answer_hub(const ServedRequest& request) {
    Answer answer = serve_hub(request);
    spoil(request, answer);
    return answer;
  }

  Answer serve_hub(const ServedRequest& request) {
    const auto authorization = request.headers.find("authorization");
    const bool is_allowed =
        token.empty() || (authorization != request.headers.end() && authorization->second == "Bearer " + token);
    const std::string api = "/api/models/" + repository + "/revision/";
    const std::string resolve = "/" + repository + "/resolve/" + commit + "/";
    if (!is_allowed && !is_gated) return refused(401, "RepoNotFound", "Invalid username or password.");
    if (request.path.starts_with(api)) {
      const std::string revision = request.path.substr(api.size());
      if (revision == "main?blobs=true" || revision == commit + "?blobs=true") return {.body = listing()};
      return refused(404, "RevisionNotFound", "Invalid rev id");
    }
    if (!request.path.starts_with(resolve)) return refused(404, "RepoNotFound", "Repository not found");
    if (!is_allowed) return refused(403, "GatedRepo", "Access to model is restricted");
    const std::string name = request.path.substr(resolve.size());
    const auto file = files.find(name);
    if (file == files.end()) return refused(404, "EntryNotFound", "Entry not found");
    Answer answer = is_large(file->second)
                        ? Answer{.status = 302, .headers = {"Location: " + cdn_.url("/blob/" + name + "?Signature=x")}}
                        : serve_range(request, file->second);
    answer.headers.push_back("X-Repo-Commit: " + commit);
    return answer;
  }

  Answer serve_cdn(const ServedRequest& request) {
    const std::string name = request.path.substr(6, request.path.find('?') - 6);
    Answer answer = serve_range(request, files.at(name));
    spoil(request, answer);
    return answer;
  }

  static Answer refused(int status, const std::string& code, const std::string& message) {
    return {.status = status, .headers = {"X-Error-Code: " + code, "X-Error-Message: " + message}, .body = "no"};
  }

  static bool is_large(const std::string& content) { return content.size() > 1000; }

  std::string listing() const {
    std::vector<std::string> siblings;
    for (const auto& [name, content] : files) {
      const std::string blob = fmt::format("blob {}", content.size());
      siblings.push_back(fmt::format(
          R"({{"rfilename": "{}", "size": {}, "blobId": "{}"{}}})", name, content.size(),
          sha1_hex({std::as_bytes(std::span(blob.c_str(), blob.size() + 1)), std::as_bytes(std::span(content))}),
          is_large(content) ? fmt::format(R"(, "lfs": {{"sha256": "{}", "size": {}, "pointerSize": 134}})",
                                          sha256_hex(std::as_bytes(std::span(content))), content.size())
                            : ""));
    }
    return fmt::format(R"({{"id": "{}", "sha": "{}", "gated": {}, "siblings": [{}]}})", repository, commit,
                       is_gated ? "\"auto\"" : "false", fmt::join(siblings, ","));
  }

  LoopbackServer cdn_{[this](const ServedRequest& r) { return serve_cdn(r); }};
  LoopbackServer hub_{[this](const ServedRequest& r) { return answer_hub(r); }};
};

class PullHub : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_pull_hub_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    scratch_ = name;
    std::string weights(50'000, ' ');
    std::uint32_t state = 1;
    for (char& c : weights) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    hub_.files = {{"README.md", "read me"}, {"config.json", "{}"}, {"model.bin", weights}, {"tokenizer.json", "{ }"}};
    options_.folder = scratch_ / "models";
    options_.hub.url = hub_.url();
    options_.download.min_segment_size = 10'000;
    options_.download.backoff = {.max_failures = 2, .first_wait = std::chrono::milliseconds(1)};
    entry_.name = "mini";
    entry_.hub_repository = "owner/mini";
  }
  void TearDown() override { fs::remove_all(scratch_); }

  Result<fs::path> run(const std::string& revision = "main") {
    return pull(HubReference{"owner/mini", revision}, options_, {});
  }
  Result<fs::path> run_entry() { return pull(entry_, options_, {}); }

  void expect_installed(const Result<fs::path>& result, const std::string& name = "owner--mini") const {
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(*result, options_.folder / name);
    for (const char* file : {"config.json", "model.bin", "tokenizer.json"}) {
      EXPECT_EQ(*read_file(*result / file, 1 << 20), hub_.files.at(file)) << file;
    }
    const auto record = read_pull_record(*result);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->snapshot.commit, hub_.commit);
    EXPECT_EQ(record->url, hub_.url() + "/owner/mini");
    EXPECT_EQ(record->time.size(), std::string_view("2026-01-31T12:00:00Z").size());
    EXPECT_EQ(std::distance(fs::directory_iterator(*result), fs::directory_iterator()), 4);
  }
  void expect_error(const Result<fs::path>& result, ErrorCode code, const std::string& part) const {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
    EXPECT_THAT(result.error().message, HasSubstr(part));
    EXPECT_FALSE(fs::exists(options_.folder / "owner--mini"));
  }

  fs::path scratch_;
  MockHub hub_;
  PullOptions options_;
  CatalogueEntry entry_;
};

TEST_F(PullHub, TakesAllFromOneCommit) {
  expect_installed(run());
  EXPECT_EQ(hub_.hub_requests()[0].path, "/api/models/owner/mini/revision/main?blobs=true");
  for (const auto& request : hub_.hub_requests()) {
    EXPECT_THAT(request.path, HasSubstr(request.path.starts_with("/api/") ? "/revision/" : hub_.commit));
  }
  EXPECT_EQ(hub_.cdn_requests().size(), 4U) << "parts of model.bin";
  // Intact: nobody is asked.
  const auto num_requests = hub_.hub_requests().size();
  expect_installed(run());
  expect_installed(run(hub_.commit));
  EXPECT_EQ(hub_.hub_requests().size(), num_requests);
  const auto other = pull(HubReference{"owner/other"}, options_, {});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(other.error().message, HasSubstr("owner/other doesn't exist"));
}

TEST_F(PullHub, PullsWhatTheCatalogueHasNoChecksumsOf) {
  expect_installed(run_entry(), "mini");
  const auto record = read_pull_record(options_.folder / "mini");
  ASSERT_EQ(record->snapshot.files.size(), 3U);
  EXPECT_EQ(record->snapshot.files[0].checksum.kind, Checksum::Kind::kGitBlob);
  EXPECT_EQ(record->snapshot.files[1].checksum.kind, Checksum::Kind::kSha256);
}

TEST_F(PullHub, RepairsWhatIsDamagedFromANewerCommit) {
  expect_installed(run());
  hub_.commit = std::string(40, '2');
  hub_.files["config.json"] = R"({"new": 1})";
  std::ofstream(options_.folder / "owner--mini/tokenizer.json") << "damaged";
  const auto num_requests = hub_.cdn_requests().size();
  expect_installed(run());
  EXPECT_EQ(hub_.cdn_requests().size(), num_requests) << "the weights are intact";
}

TEST_F(PullHub, RevisionsAreFetchedAnew) {
  expect_installed(run());
  const std::string old = hub_.commit;
  hub_.commit = std::string(40, '2');
  hub_.files["config.json"] = R"({"new": 1})";
  expect_installed(run(hub_.commit));
  EXPECT_EQ(read_pull_record(options_.folder / "owner--mini")->revision, hub_.commit);
  const auto result = run("v9");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message, HasSubstr("has no revision 'v9'"));
  EXPECT_TRUE(fs::exists(options_.folder / "owner--mini/model.bin")) << "what was there stays";
}

TEST_F(PullHub, TokensGoToTheHubAlone) {
  hub_.token = "hf_secret";
  expect_error(run(), ErrorCode::kModelAccessDenied, "doesn't exist at");
  expect_error(run(), ErrorCode::kModelAccessDenied, "set HF_TOKEN");
  options_.hub.token = "hf_wrong";
  const auto refused = run();
  expect_error(refused, ErrorCode::kModelAccessDenied, "the token in HF_TOKEN has no access");
  EXPECT_THAT(refused.error().message, Not(HasSubstr("hf_wrong")));
  options_.hub.token = "hf_secret";
  expect_installed(run());
  EXPECT_EQ(hub_.hub_requests().back().headers.at("authorization"), "Bearer hf_secret");
  ASSERT_FALSE(hub_.cdn_requests().empty());
  for (const auto& request : hub_.cdn_requests()) {
    EXPECT_THAT(request.path, Not(HasSubstr("secret")));
    for (const auto& [name, value] : request.headers) EXPECT_THAT(value, Not(HasSubstr("secret"))) << name;
  }
  EXPECT_THAT(*read_file(options_.folder / "owner--mini" / kPullRecordFile, 1 << 20), Not(HasSubstr("secret")));
}

TEST_F(PullHub, GatedRepositoriesSayWhatToDo) {
  hub_.token = "hf_secret";
  hub_.is_gated = true;
  const auto result = run();
  expect_error(result, ErrorCode::kModelAccessDenied,
               "is gated: accept its conditions at " + hub_.url() + "/owner/mini");
  EXPECT_THAT(result.error().message, HasSubstr("status 403"));
  options_.hub.token = "hf_secret";
  expect_installed(run());
}

TEST_F(PullHub, WaitsForABusyHub) {
  int num_api_calls = 0;
  hub_.spoil = [&](const ServedRequest& request, Answer& answer) {
    if (request.path.starts_with("/api/") && ++num_api_calls == 1) {
      answer = {.status = 429, .headers = {"RateLimit: \"api\";r=0;t=1"}};
    }
  };
  expect_installed(run());
  EXPECT_EQ(num_api_calls, 2);
  fs::remove_all(options_.folder);
  hub_.spoil = [](const ServedRequest&, Answer& answer) { answer = {.status = 503}; };
  expect_error(run(), ErrorCode::kModelUnavailable, "status 503");
}

TEST_F(PullHub, WrongBytesInstallNothing) {
  hub_.spoil = [](const ServedRequest& request, Answer& answer) {
    if (request.path.starts_with("/blob/")) answer.body[0] = static_cast<char>(answer.body[0] ^ 1);
  };
  expect_error(run(), ErrorCode::kModelBadChecksum, "model.bin.part: SHA-256");
  EXPECT_FALSE(fs::exists(options_.folder / ".incoming/owner--mini/model.bin.part"));
  hub_.spoil = [](const ServedRequest& request, Answer& answer) {
    if (request.path.ends_with("/tokenizer.json")) answer.body = "[ ]";
  };
  expect_error(run(), ErrorCode::kModelBadChecksum, "tokenizer.json.part: Git blob SHA-1");
  hub_.spoil = [](const auto&, auto&) {};
  expect_installed(run());
}

TEST_F(PullHub, BadListingsAreErrors) {
  hub_.spoil = [](const ServedRequest& request, Answer& answer) {
    if (request.path.starts_with("/api/")) answer.body = "<html>sign in</html>";
  };
  expect_error(run(), ErrorCode::kJsonMalformed, "");
  hub_.spoil = [](const auto&, auto&) {};
  hub_.files.erase("model.bin");
  expect_error(run(), ErrorCode::kModelBadListing, "owner/mini: no model that can be read");
  EXPECT_FALSE(fs::exists(options_.folder / ".incoming/owner--mini"));
}

TEST_F(PullHub, TakesItsOptionsFromTheEnvironment) {
  const auto with = [](const char* name, const char* value) {
    ::setenv(name, value, 1);
    auto options = default_pull_options();
    ::unsetenv(name);
    return options;
  };
  ::unsetenv("HF_TOKEN");
  EXPECT_EQ(default_pull_options()->download.num_connections, 4);
  EXPECT_EQ(default_pull_options()->hub.url, "https://huggingface.co");
  EXPECT_EQ(with("STENOD_HUB_URL", "https://m.example/x//")->hub.url, "https://m.example/x");
  EXPECT_EQ(with("HF_TOKEN", "hf_abc")->hub.token, "hf_abc");
  EXPECT_EQ(with("STENOD_DOWNLOAD_CONNECTIONS", "16")->download.num_connections, 16);
  for (const char* value : {"0", "17", "-1", "4x", "many", "99999999999"}) {
    const auto options = with("STENOD_DOWNLOAD_CONNECTIONS", value);
    ASSERT_FALSE(options.ok()) << value;
    EXPECT_THAT(options.error().message, HasSubstr("STENOD_DOWNLOAD_CONNECTIONS: \"" + std::string(value) + "\""));
  }
  const auto token = with("HF_TOKEN", "hf_abc\r\nX: y");
  ASSERT_FALSE(token.ok());
  EXPECT_THAT(token.error().message, Not(HasSubstr("abc")));
}

}  // namespace
}  // namespace stenod::models
