#include "server/credential.h"

#include <algorithm>

namespace stenod::server {
namespace {

constexpr std::string_view kBlank = " \t";
constexpr std::string_view kKeyPrefix = "key.";

std::string_view trim(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

/// The first element of a comma-separated list that `matches`; empty where none does.
template <typename Predicate>
std::string_view find_in_list(std::string_view list, Predicate matches) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view element = trim(list.substr(0, end));
    if (!element.empty() && matches(element)) return element;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return {};
}

}  // namespace

bool list_contains(std::string_view list, std::string_view token) {
  return !find_in_list(list, [&](std::string_view element) {
            return api::equals_ignoring_case(element, token);
          }).empty();
}

std::string_view find_credential(const api::Fields& headers) {
  const std::string_view authorization = trim(api::find_field(headers, "Authorization"));
  const std::size_t scheme_end = std::min(authorization.find_first_of(kBlank), authorization.size());
  if (api::equals_ignoring_case(authorization.substr(0, scheme_end), "Bearer")) {
    return trim(authorization.substr(scheme_end));
  }
  const std::string_view key = trim(api::find_field(headers, "X-API-Key"));
  if (!key.empty()) return key;
  for (const auto& [name, value] : headers) {
    if (!api::equals_ignoring_case(name, "Sec-WebSocket-Protocol")) continue;
    const std::string_view element = find_in_list(
        value, [](std::string_view offered) { return offered.substr(0, kKeyPrefix.size()) == kKeyPrefix; });
    if (!element.empty()) return element.substr(kKeyPrefix.size());
  }
  return {};
}

}  // namespace stenod::server
