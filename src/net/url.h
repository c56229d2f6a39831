#pragma once

#include <string>

#include "base/result.h"

namespace stenod::net {

/// What a connection needs of an address.
struct UrlParts {
  std::string scheme;  ///< lower case
  std::string host;    ///< an IPv6 address without brackets
  std::string port;    ///< empty where the address has none
  std::string path;    ///< at least "/", encoded
  std::string query;   ///< without '?', encoded; often empty
};

/// Of an absolute address of any scheme. Error: kNetBadUrl, also for one with a user name or password.
Result<UrlParts> split_url(const std::string& url);

/// For a query: percent-encoded.
std::string encode_query(const std::string& text);

}  // namespace stenod::net
