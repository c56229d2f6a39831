#include "base/ip_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace stenod {
namespace {

constexpr std::size_t kV4Offset = 12;  // of an IPv4 address in the IPv6 address that it is mapped to
constexpr std::array<std::uint8_t, kV4Offset> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/// Digits alone, without a sign.
std::optional<int> parse_number(std::string_view text, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text[0] == '-' || error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (const auto zone = text.find('%'); zone != std::string_view::npos && text.find(':') < zone) {
    text = text.substr(0, zone);
  }
  // inet_pton wants a terminated string, and would stop at a NUL.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) == 1) return address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data() + kV4Offset) != 1) return std::nullopt;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::from_bytes(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_v4() const { return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes_.begin()); }

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[kV4Offset] == 127;
  static constexpr std::array<std::uint8_t, 16> kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == kLoopback;
}

IpAddress IpAddress::subscriber() const {
  IpAddress result = *this;
  if (!is_v4()) std::fill(result.bytes_.begin() + 8, result.bytes_.end(), std::uint8_t{0});
  return result;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes_.data() + kV4Offset, text, sizeof(text));
  } else {
    ::inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  }
  return text;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  const int max_bits = address && address->is_v4() && text.find(':') == std::string_view::npos ? 32 : 128;
  const auto bits = slash == std::string_view::npos ? max_bits : parse_number(text.substr(slash + 1), max_bits);
  if (!address || !bits) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is no address or network, expected for instance 10.0.0.0/8 or 192.0.2.1", text)};
  }
  IpNetwork network;
  network.first_ = *address;
  network.prefix_bits_ = 128 - max_bits + *bits;
  return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
  const auto whole = static_cast<std::size_t>(prefix_bits_ / 8);
  if (!std::equal(first_.bytes_.begin(), first_.bytes_.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes_.begin())) {
    return false;
  }
  const int rest = prefix_bits_ % 8;
  return rest == 0 || (first_.bytes_[whole] ^ address.bytes_[whole]) >> (8 - rest) == 0;
}

bool Endpoint::is_loopback() const {
  const auto address = IpAddress::parse(host);
  return address ? address->is_loopback() : host == "localhost";
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  const auto port = colon == std::string_view::npos ? std::nullopt : parse_number(text.substr(colon + 1), 65535);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  const bool is_v6 = host.find(':') != std::string_view::npos;
  const auto may_be_in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  const bool is_name =
      host == "*" || (!host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), may_be_in_name));
  if (!port || is_bracketed != is_v6 || !(is_v6 ? IpAddress::parse(host).has_value() : is_name)) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no HOST:PORT, expected for instance 127.0.0.1:8765, [::1]:8765 or 0.0.0.0:80", text)};
  }
  return Endpoint{std::string(host), static_cast<std::uint16_t>(*port)};
}

}  // namespace stenod
