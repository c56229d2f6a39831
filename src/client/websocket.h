#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace stenod::client {

struct WebSocketOptions {
  std::string url;  ///< ws:// or wss://
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool verify_certificate = true;
  std::chrono::milliseconds connect_timeout{10'000};
  /// Without a sign of life for so long, not even an answer to a ping, the server counts as gone.
  std::chrono::milliseconds idle_timeout{60'000};
};

/// How a connection ended.
struct Closure {
  int code = 0;  ///< the close frame's (RFC 6455, 7.4); 0: the connection broke
  std::string reason;
};

/// What receive() found.
struct Incoming {
  enum class Kind {
    kMessage,
    kNothing,  ///< until the deadline
    kClosed,   ///< there will be no more
  };
  Kind kind = Kind::kNothing;
  std::string text = {};  ///< of kMessage; not necessarily UTF-8, for binary messages are not told apart
  Closure closure = {};   ///< of kClosed
};

/// A client's end of a WebSocket (RFC 6455). It has a thread of its own for the network; one thread may send while
/// another receives. What waits in either direction is bounded.
class WebSocket {
 public:
  /// Blocks. Errors: kNetBadUrl, kNetUnreachable, kNetTimeout, kNetTls, kNetHttpStatus (the server answered with a
  /// status instead), kCancelled (`stop` was requested).
  static Result<std::unique_ptr<WebSocket>> connect(const WebSocketOptions& options, const std::stop_token& stop = {});

  /// Cuts the connection if it is still there.
  virtual ~WebSocket() = default;

  /// Queues a message; waits while the server takes less than is sent. Errors: kNetUnreachable (the connection is
  /// over), kCancelled.
  virtual Status send_text(std::string_view text, const std::stop_token& stop = {}) = 0;
  virtual Status send_binary(std::span<const std::byte> bytes, const std::stop_token& stop = {}) = 0;

  /// The next message, waiting for it until `deadline`.
  virtual Incoming receive(std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace stenod::client
