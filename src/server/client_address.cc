#include "server/client_address.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <optional>

namespace stenod::server {
namespace {

namespace ip = boost::asio::ip;

ip::address_v6 mapped(const ip::address& address) {
  return address.is_v6() ? address.to_v6() : ip::make_address_v6(ip::v4_mapped, address.to_v4());
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// An address as proxies write it: alone, with a port, or in brackets.
std::optional<ip::address> parse_forwarded(std::string_view text) {
  text = trim(text);
  if (text.size() > 64) return {};
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return {};
    text = text.substr(1, end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(text), error);
  if (error) return {};
  return unmapped(address);
}

}  // namespace

ip::address unmapped(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

std::string client_network(const ip::address& peer) {
  const ip::address address = unmapped(peer);
  if (address.is_v4()) return address.to_string();
  ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return ip::address_v6(bytes).to_string() + "/64";
}

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
  TrustedProxies proxies;
  for (const std::string& network : networks) {
    const Error bad{ErrorCode::kInvalidArgument,
                    "\"" + network + "\" is no network: write an address, or one with a prefix length (10.0.0.0/8).",
                    "trusted_proxies"};
    const std::size_t slash = network.find('/');
    boost::system::error_code error;
    const ip::address address = ip::make_address(network.substr(0, slash), error);
    if (error) return bad;
    const int max_bits = address.is_v4() ? 32 : 128;
    int bits = max_bits;
    if (slash != std::string::npos) {
      const char* const end = network.data() + network.size();
      const auto [stop, failure] = std::from_chars(network.data() + slash + 1, end, bits);
      if (failure != std::errc() || stop != end || bits < 0 || bits > max_bits) return bad;
    }
    proxies.networks_.push_back({mapped(address), bits + (128 - max_bits)});
  }
  return proxies;
}

bool TrustedProxies::contains(const ip::address& address) const {
  const ip::address_v6::bytes_type bytes = mapped(address).to_bytes();
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    const ip::address_v6::bytes_type wanted = network.address.to_bytes();
    for (int bit = 0; bit < network.prefix_bits; ++bit) {
      const auto byte = static_cast<std::size_t>(bit / 8);
      if (((bytes[byte] ^ wanted[byte]) >> (7 - bit % 8)) & 1) return false;
    }
    return true;
  });
}

std::string TrustedProxies::client_of(const ip::address& peer, const api::Fields& headers) const {
  ip::address client = unmapped(peer);
  if (!contains(client)) return client.to_string();
  std::string chain;
  for (const auto& [name, value] : headers) {
    if (api::equals_ignoring_case(name, "X-Forwarded-For")) chain += (chain.empty() ? "" : ",") + value;
  }
  std::string_view rest = chain;
  while (!rest.empty()) {
    const std::size_t comma = rest.rfind(',');
    const std::string_view last = comma == std::string_view::npos ? rest : rest.substr(comma + 1);
    rest = rest.substr(0, comma == std::string_view::npos ? 0 : comma);
    const std::optional<ip::address> address = parse_forwarded(last);
    if (!address) break;
    client = *address;
    if (!contains(client)) break;
  }
  return client.to_string();
}

}  // namespace stenod::server
