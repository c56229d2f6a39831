#include "net/url.h"

#include <gtest/gtest.h>

namespace stenod::net {
namespace {

TEST(Url, Splits) {
  const auto parts = split_url("WSS://Example.org:8443/ws/transcribe?language=en&words=true");
  ASSERT_TRUE(parts.ok()) << parts.error().message;
  EXPECT_EQ(parts->scheme, "wss");
  EXPECT_EQ(parts->host, "Example.org");
  EXPECT_EQ(parts->port, "8443");
  EXPECT_EQ(parts->path, "/ws/transcribe");
  EXPECT_EQ(parts->query, "language=en&words=true");
  EXPECT_EQ(split_url("ws://[::1]:1/")->host, "::1");
  const auto bare = split_url("ws://h");
  EXPECT_EQ(bare->port + bare->path + bare->query, "/");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* url : {"", "nonsense", "ws://", "ws://a b/", "ws://h:x/", "ws://h:99999/", "ws://user:secret@h/"}) {
    const auto parts = split_url(url);
    ASSERT_FALSE(parts.ok()) << url;
    EXPECT_EQ(parts.error().code, ErrorCode::kNetBadUrl);
    EXPECT_EQ(parts.error().message.find("secret"), std::string::npos);
  }
}

TEST(Url, EncodesForAQuery) {
  EXPECT_EQ(encode_query("zh"), "zh");
  EXPECT_EQ(encode_query("a&b=ä"), "a%26b%3D%C3%A4");
  EXPECT_EQ(encode_query(""), "");
}

}  // namespace
}  // namespace stenod::net
