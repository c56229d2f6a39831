#include "server/client_address.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

IpAddress address(const char* text) { return ip_address_of(boost::asio::ip::make_address(text)); }

std::string client_of(const std::vector<std::string>& trusted, const char* peer, const api::Fields& headers) {
  return TrustedProxies::parse(trusted)->client_of(address(peer), headers).to_string();
}

TEST(ClientAddress, IsThePeersUnlessThatIsTrusted) {
  const api::Fields forged{{"X-Forwarded-For", "1.2.3.4"}};
  EXPECT_EQ(client_of({}, "127.0.0.1", forged), "127.0.0.1");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "11.0.0.1", forged), "11.0.0.1");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "10.255.0.1", forged), "1.2.3.4");
  EXPECT_EQ(client_of({"10.0.0.0/8"}, "10.255.0.1", {}), "10.255.0.1");
  EXPECT_EQ(client_of({"127.0.0.1"}, "::ffff:127.0.0.1", forged), "1.2.3.4");
  EXPECT_EQ(client_of({"::1/128"}, "::1", {{"x-forwarded-for", "2001:DB8::1"}}), "2001:db8::1");
}

TEST(ClientAddress, IsTheRightmostThatIsNotTrusted) {
  const std::vector<std::string> trusted{"10.0.0.0/8", "2001:db8::/32"};
  const auto from = [&](const char* field) { return client_of(trusted, "10.0.0.1", {{"X-Forwarded-For", field}}); };
  EXPECT_EQ(from("9.9.9.9, 1.2.3.4, 10.0.0.2"), "1.2.3.4");
  EXPECT_EQ(from("10.0.0.3,10.0.0.2"), "10.0.0.3");
  EXPECT_EQ(from("1.2.3.4:5678"), "1.2.3.4");
  EXPECT_EQ(from("[2001:db9::1]:99 ,\t10.0.0.2"), "2001:db9::1");
  EXPECT_EQ(from("::ffff:1.2.3.4"), "1.2.3.4");
  // What stands left of nonsense could be anybody's.
  EXPECT_EQ(from("1.2.3.4, unknown, 10.0.0.2"), "10.0.0.2");
  EXPECT_EQ(from("1.2.3.4, "), "10.0.0.1");
  EXPECT_EQ(from("[1.2.3.4"), "10.0.0.1");
  EXPECT_EQ(from(std::string(1000, '1').c_str()), "10.0.0.1");
  EXPECT_EQ(client_of(trusted, "10.0.0.1", {{"X-Forwarded-For", "9.9.9.9"}, {"X-Forwarded-For", "1.2.3.4"}}),
            "1.2.3.4");
}

TEST(ClientAddress, NetworksAreChecked) {
  const auto proxies = TrustedProxies::parse({"192.168.4.0/22", "fe80::/10"});
  ASSERT_TRUE(proxies.ok());
  EXPECT_TRUE(proxies->contains(address("192.168.7.255")));
  EXPECT_FALSE(proxies->contains(address("192.168.8.0")));
  EXPECT_TRUE(proxies->contains(address("febf::1")));
  EXPECT_FALSE(proxies->contains(address("fec0::1")));
  EXPECT_TRUE(TrustedProxies::parse({"0.0.0.0/0"})->contains(address("8.8.8.8")));
  EXPECT_FALSE(TrustedProxies::parse({"0.0.0.0/0"})->contains(address("2001::1")));
  for (const char* bad :
       {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "::/129", "example.org", "10.0.0"}) {
    const auto result = TrustedProxies::parse({bad});
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().param, "trusted_proxies");
  }
}

TEST(ClientAddress, OfSockets) {
  EXPECT_EQ(address("1.2.3.4").to_string(), "1.2.3.4");
  EXPECT_EQ(address("::ffff:1.2.3.4").to_string(), "1.2.3.4");
  EXPECT_EQ(address("2001:db8::1").to_string(), "2001:db8::1");
  EXPECT_EQ(address("fe80::1%1").to_string(), "fe80::1");
}

}  // namespace
}  // namespace stenod::server
