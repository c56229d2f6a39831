#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod {

/// A numeric IPv4 or IPv6 address. An IPv4 address and the IPv6 address that it is mapped to (::ffff:1.2.3.4) are one
/// and the same.
class IpAddress {
 public:
  /// "192.0.2.1", "2001:db8::1"; a zone ("%eth0") is left out. Nothing for anything else, names included.
  static std::optional<IpAddress> parse(std::string_view text);

  /// The 16 bytes of an IPv6 address, in network order.
  static IpAddress from_bytes(const std::array<std::uint8_t, 16>& bytes);

  bool is_v4() const;
  bool is_loopback() const;  ///< 127.0.0.0/8 or ::1
  /// The whole IPv4 address, or the first 64 bits of an IPv6 one, which is the least that one subscriber has (RFC
  /// 6177); what limits for each client are counted by.
  IpAddress subscriber() const;
  std::string to_string() const;

  friend auto operator<=>(const IpAddress&,
                          const IpAddress&) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14

 private:
  friend class IpNetwork;
  std::array<std::uint8_t, 16> bytes_ = {};  ///< as IPv6, in network order
};

/// A range of addresses in CIDR notation (RFC 4632).
class IpNetwork {
 public:
  /// "10.0.0.0/8", "2001:db8::/32", or one address. Error: kInvalidArgument.
  static Result<IpNetwork> parse(std::string_view text);

  bool contains(const IpAddress& address) const;

 private:
  IpAddress first_;
  int prefix_bits_ = 128;  ///< of the 128
};

/// Where a server listens.
struct Endpoint {
  std::string host;  ///< an address without brackets, a name, or "*" for all addresses of the machine
  std::uint16_t port = 0;

  /// Whether only this machine reaches it: the one place where that is decided. Names other than localhost count as
  /// public.
  bool is_loopback() const;
};

/// "127.0.0.1:8765", "[::1]:8765", "localhost:0", "*:8765". Error: kInvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace stenod
