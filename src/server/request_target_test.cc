#include "server/request_target.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

using Segments = std::vector<std::string>;

TEST(RequestTarget, IsDecoded) {
  const auto target = parse_target("/a%2Fb/%C3%a4/?q=1+2%2B3&empty=&flag&&=v&q=again");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/a/b/ä/");
  EXPECT_EQ(target->segments, (Segments{"a/b", "ä", ""}));
  EXPECT_EQ(target->query, (api::Fields{{"q", "1 2+3"}, {"empty", ""}, {"flag", ""}, {"", "v"}, {"q", "again"}}));
  EXPECT_EQ(parse_target("/a+b")->path, "/a+b");
  EXPECT_EQ(parse_target("/")->segments, Segments{""});
  EXPECT_EQ(parse_target("/..//%2e")->segments, (Segments{"..", "", "."}));
}

TEST(RequestTarget, MayBeAbsoluteOrAsterisk) {
  EXPECT_EQ(parse_target("HTTP://h:1/x?y")->authority, "h:1");
  EXPECT_EQ(parse_target("https://h")->path, "/");
  EXPECT_EQ(parse_target("https://h?x=/")->query, (api::Fields{{"x", "/"}}));
  EXPECT_EQ(parse_target("*")->path, "*");
  EXPECT_TRUE(parse_target("*")->segments.empty());
}

TEST(RequestTarget, MalformedOnesAreRefused) {
  for (const char* target :
       {"",     "x",   "*x",   "http://", "http:///x",  "ftp://h/x", "h:80", "?x",   "/%",    "/%4",       "/%4g",
        "/%g4", "/?%", "/%00", "/%0a",    "/?x=%0D%0A", "/%7f",      "/%ff", "/%C3", "/?%80", "/%ed%a0%80"}) {
    const auto result = parse_target(target);
    ASSERT_FALSE(result.ok()) << target;
    EXPECT_EQ(result.error().code, ErrorCode::kBadRequest) << target;
  }
}

}  // namespace
}  // namespace stenod::server
