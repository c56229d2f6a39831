#pragma once

#include <string>
#include <string_view>

#include "api/http.h"

namespace stenod::server {

/// How an answer is sent.
struct ResponseFraming {
  bool keep_alive = false;
  bool is_chunked = false;            ///< comes in pieces of unknown number; otherwise the length is that of the body
  bool ends_at_close = false;         ///< as above, for HTTP/1.0
  std::string_view cors_origin = {};  ///< of another page that may read the answer
};

/// Status line and header fields. Adds what every answer has: Date, Server, length, and fields that keep browsers from
/// guessing types, framing answers and caching them, as far as the response does not set them itself. A response whose
/// fields are not allowed in HTTP becomes a 500.
std::string write_head(api::HttpResponse& response, const ResponseFraming& framing);

/// Whether an answer of that status has a body at all.
bool has_body(int status);

/// One piece of a chunked answer; an empty one is not written, as it would end the answer.
std::string write_chunk(std::string_view piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace stenod::server
