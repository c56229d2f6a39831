#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace stenod::server {

/// Which web pages may use the server (RFC 6454), and under which names browsers may reach it. Immutable.
class OriginPolicy {
 public:
  enum class Verdict {
    kSame,       ///< no page at all, or one of this server's own
    kAllowed,    ///< another page that may
    kForbidden,  ///< another page
  };

  OriginPolicy() = default;
  /// See ServerOptions. `is_loopback`: the server listens on a loopback address. Error: kInvalidArgument.
  static Result<OriginPolicy> parse(const std::vector<std::string>& origins, const std::vector<std::string>& hosts,
                                    bool is_loopback);

  /// `origin` and `host` are a request's fields of that name; an empty origin is no page.
  Verdict judge(std::string_view origin, std::string_view host) const;

  /// Whether the server answers to that name (the Host field, with or without a port).
  bool answers_to(std::string_view host) const;

 private:
  bool any_origin_ = false;
  bool any_host_ = true;
  std::vector<std::string> origins_;  ///< lower case, without default ports
  std::vector<std::string> hosts_;    ///< lower case, without ports
};

}  // namespace stenod::server
