#pragma once

#include <chrono>
#include <stop_token>

#include "base/result.h"
#include "net/http_client.h"

namespace stenod::net {

/// How often a request is made again.
struct BackoffOptions {
  /// So many failures in a row, none of which got further, end it. At least 1.
  int max_failures = 5;
  std::chrono::milliseconds first_wait{1000};  ///< doubles with each failure in a row, up to 30 s
  /// The longest wait that a server may ask for.
  std::chrono::seconds max_asked_wait{120};
};

/// Decides whether a failed request is worth making again, and waits until then. One sequence of requests each; not
/// thread-safe.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options) : options_(options) {}

  /// Success when the request should be made again now: it failed for want of a connection, time or bytes, with status
  /// 408, 429 or 5xx, and there were not too many such failures in a row. `has_helped`: something arrived this time.
  /// Otherwise `failure`, or kCancelled. Blocks.
  Status wait(Error failure, const HttpHead& answer, bool has_helped, const std::stop_token& stop);

 private:
  const BackoffOptions options_;
  int num_failures_ = 0;
};

}  // namespace stenod::net
