#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/result.h"

namespace stenod::server {

/// What a request line asks for.
struct RequestTarget {
  std::string path;                   ///< percent-decoded
  std::vector<std::string> segments;  ///< of the path between slashes, percent-decoded each: "/a%2Fb/" has "a/b" and ""
  api::Fields query;
  std::string authority;  ///< of a target in absolute form; replaces the Host field
};

/// Reads the origin, absolute and asterisk forms (RFC 9112, section 3.2); the last has the path "*" and no segments.
/// Everything decoded is valid UTF-8 without control characters. Error: kBadRequest.
Result<RequestTarget> parse_target(std::string_view target);

}  // namespace stenod::server
