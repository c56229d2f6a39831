#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace stenod::net {

/// One download. Only https is spoken, except with servers on this machine's loopback addresses; a redirect never leads
/// from https to http or from elsewhere to this machine. Proxies are taken from the environment, as by curl.
struct HttpRequest {
  std::string url;
  std::string accept = "*/*";
  /// Bytes already there: asks for the rest only. A server that can't do that sends everything (HttpHead::offset is 0).
  std::uint64_t offset = 0;
  /// Asks for so many bytes from `offset` on; 0: for all. A server that can't do that sends everything, which the
  /// status tells (206: a part).
  std::uint64_t length = 0;
  /// Sent as "Authorization: Bearer …" to the origin (scheme, host and port) of `url` and to no other one that a
  /// redirect leads to; empty: none.
  std::string bearer_token = {};
  /// Of the whole resource, the bytes already there included.
  std::uint64_t max_bytes = 0;
  std::chrono::milliseconds connect_timeout{5000};
  /// Longest time without a single byte, checked about once a second.
  std::chrono::milliseconds stall_timeout{30000};
  int max_redirects = 5;
};

/// What the server said before the body.
struct HttpHead {
  int status = 0;
  std::string content_type;
  std::uint64_t offset = 0;                 ///< of the body's first byte within the resource
  std::optional<std::uint64_t> total_size;  ///< of the whole resource, if the server says
  /// All that came, by name in lower case; the last one of a name, and 100 names at most.
  std::map<std::string, std::string> headers = {};

  /// Empty where there is none.
  std::string header(const std::string& lower_case_name) const;
  /// How long the server asks to wait before the next request: Retry-After in seconds (RFC 9110, 10.2.3), else the time
  /// until the quota of a RateLimit header is renewed, if that is used up (draft-ietf-httpapi-ratelimit-headers-09).
  std::optional<std::chrono::seconds> retry_after() const;
};

/// Called once, before the first byte of the body; and for each piece of the body. An error ends the download and is
/// returned from it.
using HeadSink = std::function<Status(const HttpHead&)>;
using BodySink = std::function<Status(std::span<const std::byte>)>;

/// Gets `request.url` and blocks until it is there. Safe to call from several threads. A body is passed on only for
/// status 200 and 206. Messages show addresses without user names, passwords and queries. `last_answer`, if given,
/// becomes what the server said last, above all when its status made an error; without an answer its status is 0.
///
/// Errors: kNetBadUrl, kNetUnreachable, kNetTimeout, kNetHttpStatus (the status is in the message), kNetTooLarge,
/// kNetIncomplete, kNetTooManyRedirects, kNetTls, kCancelled (`stop` was requested; noticed within about a second),
/// or what a sink returned.
Result<HttpHead> http_get(const HttpRequest& request, const HeadSink& on_head, const BodySink& on_body,
                          std::stop_token stop = {}, HttpHead* last_answer = nullptr);

/// A short answer as text.
struct HttpText {
  HttpHead head;
  std::string url;  ///< after redirects; what relative links in the text start from
  std::string body;
};
Result<HttpText> http_get_text(const HttpRequest& request, std::stop_token stop = {}, HttpHead* last_answer = nullptr);

/// `reference` as seen from `base`, absolute (RFC 3986). Error: kNetBadUrl.
Result<std::string> resolve_url(const std::string& base, const std::string& reference);

}  // namespace stenod::net
