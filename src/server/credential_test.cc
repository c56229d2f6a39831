#include "server/credential.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

TEST(Credential, IsFoundWhereClientsPutIt) {
  EXPECT_EQ(find_credential({{"Authorization", "Bearer abc"}}), "abc");
  EXPECT_EQ(find_credential({{"authorization", "bearer \t abc "}}), "abc");
  EXPECT_EQ(find_credential({{"X-API-Key", " abc"}}), "abc");
  EXPECT_EQ(find_credential({{"Sec-WebSocket-Protocol", "stenod, key.abc"}}), "abc");
  EXPECT_EQ(find_credential({{"Sec-WebSocket-Protocol", "stenod"}, {"Sec-WebSocket-Protocol", "key.a.b"}}), "a.b");
}

TEST(Credential, IsNothingElse) {
  EXPECT_EQ(find_credential({}), "");
  EXPECT_EQ(find_credential({{"Authorization", "Basic abc"}}), "");
  EXPECT_EQ(find_credential({{"Authorization", "Bearer"}}), "");
  EXPECT_EQ(find_credential({{"Authorization", "Bearerabc"}}), "");
  EXPECT_EQ(find_credential({{"Authorization", ""}}), "");
  EXPECT_EQ(find_credential({{"Sec-WebSocket-Protocol", "stenod, keyabc, ,"}}), "");
  EXPECT_EQ(find_credential({{"Sec-WebSocket-Protocol", "stenod, key."}}), "");
}

TEST(List, HoldsTokens) {
  EXPECT_TRUE(list_contains("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(list_contains("upgraded, up grade", "upgrade"));
  EXPECT_FALSE(list_contains(",, ,", ""));
}

}  // namespace
}  // namespace stenod::server
