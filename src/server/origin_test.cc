#include "server/origin.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

using Verdict = OriginPolicy::Verdict;

TEST(Origin, OwnPagesAndProgramsMayUseTheServer) {
  const OriginPolicy policy = *OriginPolicy::parse({}, {}, false);
  EXPECT_EQ(policy.judge("", "example.org"), Verdict::kSame);
  EXPECT_EQ(policy.judge("http://example.org:8765", "Example.org:8765"), Verdict::kSame);
  EXPECT_EQ(policy.judge("https://example.org", "example.org"), Verdict::kSame);
  EXPECT_EQ(policy.judge("https://example.org", "example.org:443"), Verdict::kSame);
  EXPECT_EQ(policy.judge("http://[::1]:8765", "[::1]:8765"), Verdict::kSame);
}

TEST(Origin, OtherPagesMayNot) {
  const OriginPolicy policy = *OriginPolicy::parse({}, {}, false);
  for (const char* origin : {"https://evil.org", "http://example.org:8766", "https://example.org:80", "null",
                             "http://example.org.evil.org", "http://evil.org/example.org", "http://a@example.org",
                             "ftp://example.org", "example.org", "://example.org", "http://", "chrome-extension://x"}) {
    EXPECT_EQ(policy.judge(origin, "example.org"), Verdict::kForbidden) << origin;
  }
}

TEST(Origin, ListedPagesMay) {
  const OriginPolicy policy = *OriginPolicy::parse({"https://Page.example:443", "chrome-extension://x"}, {}, false);
  EXPECT_EQ(policy.judge("https://page.example", "h"), Verdict::kAllowed);
  EXPECT_EQ(policy.judge("chrome-extension://x", "h"), Verdict::kAllowed);
  EXPECT_EQ(policy.judge("http://page.example", "h"), Verdict::kForbidden);
  EXPECT_EQ(OriginPolicy::parse({"*"}, {}, false)->judge("null", "h"), Verdict::kAllowed);
  for (const char* bad : {"", "page.example", "https://", "https://page.example/", "https://page.example/x"}) {
    const auto result = OriginPolicy::parse({bad}, {}, false);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().param, "allowed_origins");
  }
}

// A page of evil.org whose name was made to mean 127.0.0.1 counts as one of the server's own, but for its name.
TEST(Origin, ServersOfOneMachineDoNotAnswerToForeignNames) {
  const OriginPolicy local = *OriginPolicy::parse({"https://page.example"}, {}, true);
  for (const char* host :
       {"localhost", "LOCALHOST:8765", "127.0.0.1:8765", "[::1]:8765", "192.168.0.7", "page.example", ""}) {
    EXPECT_TRUE(local.answers_to(host)) << host;
  }
  for (const char* host :
       {"evil.org", "evil.org:8765", "127.0.0.1.evil.org", "localhost.evil.org", "[::1", "[evil]", "]"}) {
    EXPECT_FALSE(local.answers_to(host)) << host;
  }
  EXPECT_TRUE(OriginPolicy::parse({}, {}, false)->answers_to("anything"));
  const OriginPolicy named = *OriginPolicy::parse({}, {"Captions.example"}, false);
  EXPECT_TRUE(named.answers_to("captions.example:8765"));
  EXPECT_FALSE(named.answers_to("evil.org"));
  EXPECT_TRUE(OriginPolicy::parse({}, {"*"}, true)->answers_to("anything"));
}

}  // namespace
}  // namespace stenod::server
