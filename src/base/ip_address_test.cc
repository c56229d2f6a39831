#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace stenod {
namespace {

IpAddress address(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress());
}

TEST(IpAddress, ParsesAndPrints) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "::", "::1", "2001:db8::1", "fe80::1"}) {
    EXPECT_EQ(address(text).to_string(), text);
  }
  EXPECT_EQ(address("2001:DB8:0:0::1"), address("2001:db8::1"));
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(address("fe80::1%eth0"), address("fe80::1"));
  using namespace std::string_view_literals;
  for (const auto text : {""sv, "localhost"sv, "1.2.3"sv, "1.2.3.4.5"sv, "256.0.0.1"sv, "1.2.3.4 "sv, ":::"sv,
                          "[::1]"sv, "1.2.3.4%eth0"sv, "1.2.3.4\0"sv, "::1\0x"sv}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string(100000, '1')));
}

TEST(IpAddress, ComesFromBytes) {
  EXPECT_EQ(IpAddress::from_bytes({0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), address("2001:db8::1"));
  EXPECT_EQ(IpAddress::from_bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1}), address("192.0.2.1"));
}

TEST(IpAddress, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(address(text).is_loopback()) << text;
  }
  for (const char* text : {"0.0.0.0", "128.0.0.1", "::", "::2", "1::1"}) {
    EXPECT_FALSE(address(text).is_loopback()) << text;
  }
}

TEST(IpAddress, ASubscriberOfIpv6Has64Bits) {
  EXPECT_EQ(address("2001:db8:1:2:3:4:5:6").subscriber(), address("2001:db8:1:2:ffff::").subscriber());
  EXPECT_NE(address("2001:db8:1:2::").subscriber(), address("2001:db8:1:3::").subscriber());
  EXPECT_NE(address("192.0.2.1").subscriber(), address("192.0.2.2").subscriber());
}

TEST(IpNetwork, Contains) {
  const auto contains = [](std::string_view network, std::string_view text) {
    const auto parsed = IpNetwork::parse(network);
    EXPECT_TRUE(parsed.ok()) << network;
    return parsed.ok() && parsed->contains(address(text));
  };
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(contains("192.0.2.1", "192.0.2.0"));
  EXPECT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(contains("10.1.2.3/8", "10.9.9.9")) << "bits after the prefix don't count";
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
  for (const char* text : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "name/8"}) {
    const auto parsed = IpNetwork::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Endpoint, ParsesHostAndPort) {
  const auto parse = [](std::string_view text) {
    const auto parsed = parse_endpoint(text);
    EXPECT_TRUE(parsed.ok()) << text;
    return parsed.ok() ? *parsed : Endpoint();
  };
  EXPECT_EQ(parse("127.0.0.1:8765").host, "127.0.0.1");
  EXPECT_EQ(parse("127.0.0.1:8765").port, 8765);
  EXPECT_EQ(parse("[2001:db8::1]:0").host, "2001:db8::1");
  EXPECT_EQ(parse("stenod.example:65535").port, 65535);
  for (const char* text : {"127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"}) {
    EXPECT_TRUE(parse(text).is_loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "localhost.example:1", "*:80"}) {
    EXPECT_FALSE(parse(text).is_loopback()) << text;
  }
  for (const char* text : {"", ":", "8765", ":8765", "host", "host:", "host:65536", "host:-1", "host:80x", "::1:80",
                           "[::1]", "[host]:1", "[]:1", "[::g]:1", "a b:1", "**:80", "http://host:80"}) {
    const auto parsed = parse_endpoint(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace stenod
