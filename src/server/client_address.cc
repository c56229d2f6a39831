#include "server/client_address.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace stenod::server {
namespace {

namespace ip = boost::asio::ip;

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// An address as proxies write it: alone, with a port, or in brackets.
std::optional<IpAddress> parse_forwarded(std::string_view text) {
  text = trim(text);
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return {};
    text = text.substr(1, end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  return IpAddress::parse(text);
}

}  // namespace

IpAddress ip_address_of(const ip::address& address) {
  const ip::address_v6 v6 = address.is_v6() ? address.to_v6() : ip::make_address_v6(ip::v4_mapped, address.to_v4());
  return IpAddress::from_bytes(v6.to_bytes());
}

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
  TrustedProxies proxies;
  for (const std::string& text : networks) {
    auto network = IpNetwork::parse(text);
    if (!network) return Error{network.error().code, network.error().message, "trusted_proxies"};
    proxies.networks_.push_back(*network);
  }
  return proxies;
}

bool TrustedProxies::contains(const IpAddress& address) const {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const IpNetwork& network) { return network.contains(address); });
}

IpAddress TrustedProxies::client_of(const IpAddress& peer, const api::Fields& headers) const {
  IpAddress client = peer;
  if (!contains(client)) return client;
  std::string chain;
  for (const auto& [name, value] : headers) {
    if (api::equals_ignoring_case(name, "X-Forwarded-For")) chain += (chain.empty() ? "" : ",") + value;
  }
  std::string_view rest = chain;
  while (!rest.empty()) {
    const std::size_t comma = rest.rfind(',');
    const std::string_view last = comma == std::string_view::npos ? rest : rest.substr(comma + 1);
    rest = rest.substr(0, comma == std::string_view::npos ? 0 : comma);
    const std::optional<IpAddress> address = parse_forwarded(last);
    if (!address) break;
    client = *address;
    if (!contains(client)) break;
  }
  return client;
}

}  // namespace stenod::server
