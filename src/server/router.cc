#include "server/router.h"

#include <algorithm>
#include <utility>

#include "server/credential.h"

namespace stenod::server {
namespace {

constexpr std::string_view kParameter = "{}";

std::vector<std::string> split_pattern(std::string_view pattern) {
  std::vector<std::string> segments;
  for (std::size_t start = 1; start <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('/', start), pattern.size());
    const std::string_view segment = pattern.substr(start, end - start);
    const bool is_parameter = segment.size() >= 2 && segment.front() == '{' && segment.back() == '}';
    segments.emplace_back(is_parameter ? kParameter : segment);
    start = end + 1;
  }
  return segments;
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  return std::equal(pattern.begin(), pattern.end(), segments.begin(), segments.end(),
                    [](const std::string& expected, const std::string& segment) {
                      return expected == kParameter ? !segment.empty() : expected == segment;
                    });
}

void add_method(std::string& allow, std::string_view method) {
  if (list_contains(allow, method)) return;
  if (!allow.empty()) allow += ", ";
  allow += method;
  if (method == "GET") allow += ", HEAD";
}

}  // namespace

Result<Router> Router::create(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes) {
  Router router;
  for (api::Route& route : routes) {
    Entry entry{std::move(route), {}};
    entry.segments = split_pattern(entry.route.pattern);
    for (const Entry& other : router.entries_) {
      if (other.route.method == entry.route.method && other.segments == entry.segments) {
        return Error{ErrorCode::kInternal, "two routes are " + entry.route.method + " " + entry.route.pattern};
      }
    }
    router.entries_.push_back(std::move(entry));
  }
  std::stable_sort(router.entries_.begin(), router.entries_.end(), [](const Entry& a, const Entry& b) {
    return std::lexicographical_compare(
        a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
        [](const std::string& x, const std::string& y) { return x != kParameter && y == kParameter; });
  });
  router.websocket_routes_ = std::move(websocket_routes);
  return router;
}

Result<Router> Router::with(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes) const {
  for (const Entry& entry : entries_) routes.push_back(entry.route);
  websocket_routes.insert(websocket_routes.end(), websocket_routes_.begin(), websocket_routes_.end());
  return create(std::move(routes), std::move(websocket_routes));
}

Router::Match Router::find(std::string_view method, const std::vector<std::string>& segments) const {
  Match match;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Entry& entry : entries_) {
    if (!fits(entry.segments, segments)) continue;
    add_method(match.allow, entry.route.method);
    if (match.route != nullptr || entry.route.method != wanted) continue;
    match.route = &entry.route;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (entry.segments[i] == kParameter) match.path_parameters.push_back(segments[i]);
    }
  }
  if (!match.allow.empty()) match.allow += ", OPTIONS";
  return match;
}

const api::WebSocketRoute* Router::find_websocket(std::string_view path) const {
  const auto route = std::find_if(websocket_routes_.begin(), websocket_routes_.end(),
                                  [&](const api::WebSocketRoute& candidate) { return candidate.path == path; });
  return route == websocket_routes_.end() ? nullptr : &*route;
}

}  // namespace stenod::server
