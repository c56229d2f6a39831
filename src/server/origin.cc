#include "server/origin.h"

#include <algorithm>

#include "base/ip_address.h"

namespace stenod::server {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// scheme://host[:port], taken apart; nothing but the first two for what is no such origin.
struct Origin {
  std::string scheme;  ///< empty: not an origin
  std::string authority;
};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Lower case, without the port that the scheme has anyway.
std::string normal_authority(std::string_view authority, std::string_view scheme) {
  std::string result = lower(authority);
  const std::string_view port = scheme == "https" ? ":443" : ":80";
  if (ends_with(result, port)) result.resize(result.size() - port.size());
  return result;
}

Origin parse_origin(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return {};
  const std::string scheme = lower(text.substr(0, colon));
  const std::string_view authority = text.substr(colon + 3);
  if (authority.empty() || authority.find_first_of("/?#@ ,") != std::string_view::npos) return {};
  return {scheme, normal_authority(authority, scheme)};
}

std::string_view without_port(std::string_view authority) {
  const std::size_t bracket = authority.find(']');
  if (bracket != std::string_view::npos) return authority.substr(0, bracket + 1);
  return authority.substr(0, authority.find(':'));
}

}  // namespace

Result<OriginPolicy> OriginPolicy::parse(const std::vector<std::string>& origins, const std::vector<std::string>& hosts,
                                         bool is_loopback) {
  OriginPolicy policy;
  policy.any_host_ = !is_loopback;
  for (const std::string& text : origins) {
    if (text == "*") {
      policy.any_origin_ = true;
      continue;
    }
    const Origin origin = parse_origin(text);
    if (origin.scheme.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   "\"" + text + "\" is no origin: write scheme and host, as https://example.org or *.",
                   "allowed_origins"};
    }
    policy.origins_.push_back(origin.scheme + "://" + origin.authority);
    policy.hosts_.emplace_back(without_port(origin.authority));
  }
  if (!hosts.empty()) policy.any_host_ = false;
  for (const std::string& host : hosts) {
    if (host == "*") policy.any_host_ = true;
    policy.hosts_.push_back(lower(without_port(host)));
  }
  return policy;
}

OriginPolicy::Verdict OriginPolicy::judge(std::string_view origin, std::string_view host) const {
  if (origin.empty()) return Verdict::kSame;
  const Origin parsed = parse_origin(origin);
  const bool is_web = parsed.scheme == "http" || parsed.scheme == "https";
  if (is_web && parsed.authority == normal_authority(host, parsed.scheme)) return Verdict::kSame;
  if (any_origin_) return Verdict::kAllowed;
  const std::string normal = parsed.scheme + "://" + parsed.authority;
  const bool is_listed =
      !parsed.scheme.empty() && std::find(origins_.begin(), origins_.end(), normal) != origins_.end();
  return is_listed ? Verdict::kAllowed : Verdict::kForbidden;
}

bool OriginPolicy::answers_to(std::string_view host) const {
  if (any_host_) return true;
  std::string name = lower(without_port(host));
  if (name.empty() || name == "localhost" || std::find(hosts_.begin(), hosts_.end(), name) != hosts_.end()) return true;
  if (name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  return IpAddress::parse(name).has_value();
}

}  // namespace stenod::server
