#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/result.h"

namespace stenod::server {

/// Networks whose proxies are believed when they say for whom they ask. Immutable.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  /// "10.0.0.0/8", "2001:db8::/32", or an address alone. Error: kInvalidArgument.
  static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

  bool contains(const boost::asio::ip::address& address) const;

  /// Who asks: the peer, or if that is trusted the rightmost address in the X-Forwarded-For fields that is not. What
  /// stands left of it, or is no address, anybody could have written.
  std::string client_of(const boost::asio::ip::address& peer, const api::Fields& headers) const;

 private:
  struct Network {
    boost::asio::ip::address_v6 address;  ///< IPv4 as ::ffff:a.b.c.d
    int prefix_bits;
  };
  std::vector<Network> networks_;
};

/// What connections are counted by: an IPv4 address, or the /64 network of an IPv6 one, which is what one client has.
std::string client_network(const boost::asio::ip::address& peer);

/// IPv4 addresses that stand inside IPv6 (::ffff:a.b.c.d) as what they are.
boost::asio::ip::address unmapped(const boost::asio::ip::address& address);

}  // namespace stenod::server
