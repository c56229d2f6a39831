#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

#include "api/http.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace stenod::server {

/// Networks whose proxies are believed when they say for whom they ask. Immutable.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  /// "10.0.0.0/8", "2001:db8::/32", or an address alone. Error: kInvalidArgument.
  static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

  bool contains(const IpAddress& address) const;

  /// Who asks: the peer, or if that is trusted the rightmost address in the X-Forwarded-For fields that is not. What
  /// stands left of it, or is no address, anybody could have written.
  IpAddress client_of(const IpAddress& peer, const api::Fields& headers) const;

 private:
  std::vector<IpNetwork> networks_;
};

/// A socket's address; its zone is left out.
IpAddress ip_address_of(const boost::asio::ip::address& address);

}  // namespace stenod::server
