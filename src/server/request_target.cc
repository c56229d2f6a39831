#include "server/request_target.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace stenod::server {
namespace {

Error bad_target(std::string message) { return {ErrorCode::kBadRequest, std::move(message)}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> percent_decode(std::string_view encoded, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(encoded.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    char c = encoded[i];
    if (c == '%') {
      const int high = i + 2 < encoded.size() ? hex_digit(encoded[i + 1]) : -1;
      const int low = i + 2 < encoded.size() ? hex_digit(encoded[i + 2]) : -1;
      if (high < 0 || low < 0) return bad_target("The address has a % that two hexadecimal digits do not follow.");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return bad_target("The address has a control character.");
    decoded.push_back(c);
  }
  if (text::to_valid_utf8(decoded) != decoded) return bad_target("The address is not UTF-8.");
  return decoded;
}

/// Takes what stands before the next `separator` off `rest`.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

Result<api::Fields> parse_query(std::string_view query) {
  api::Fields fields;
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    if (value.empty()) continue;
    const std::string_view name = take_until(value, '=');
    STENOD_ASSIGN_OR_RETURN(std::string decoded_name, percent_decode(name, true));
    STENOD_ASSIGN_OR_RETURN(std::string decoded_value, percent_decode(value, true));
    fields.emplace_back(std::move(decoded_name), std::move(decoded_value));
  }
  return fields;
}

}  // namespace

Result<RequestTarget> parse_target(std::string_view target) {
  RequestTarget result;
  if (target == "*") {
    result.path = "*";
    return result;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!api::equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    result.authority = target.substr(0, end);
    if (result.authority.empty()) return bad_target("The address names no host.");
    target.remove_prefix(end);
    break;
  }
  std::string_view query = target;
  std::string_view path = take_until(query, '?');
  if (path.empty() && !result.authority.empty()) path = "/";
  if (path.empty() || path.front() != '/') return bad_target("The address must start with a slash.");
  STENOD_ASSIGN_OR_RETURN(result.path, percent_decode(path, false));
  STENOD_ASSIGN_OR_RETURN(result.query, parse_query(query));
  for (std::size_t start = 1; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    STENOD_ASSIGN_OR_RETURN(std::string segment, percent_decode(path.substr(start, end - start), false));
    result.segments.push_back(std::move(segment));
    start = end + 1;
  }
  return result;
}

}  // namespace stenod::server
