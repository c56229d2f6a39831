#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/http.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace stenod::api {

// WebSocket without sockets: what protocols are written against. `server` carries it.

/// The client at the other end of a WebSocket. Any thread; never blocks.
class WebSocketPeer {
 public:
  virtual ~WebSocketPeer() = default;
  /// Queued behind what was sent before. A client that does not read is closed by the server when too much waits.
  virtual void send_text(std::string message) = 0;
  /// Asks for the client's next message. One is asked for at a time, so a handler that is busy holds up the client
  /// through TCP, and nothing piles up here.
  virtual void read_next() = 0;
  /// Closes when everything that was sent before has been written. `reason` has at most 123 bytes.
  virtual void close(int code, std::string reason) = 0;
};

/// One WebSocket's protocol. The calls come one at a time, in this order, on a thread of the audio pool, never on one
/// that serves sockets; they may compute for milliseconds but not wait.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  /// The upgrade is done. Nothing is read before read_next().
  virtual void on_open(std::shared_ptr<WebSocketPeer> peer) = 0;
  /// Valid UTF-8; the transport refuses anything else with close code 1007.
  virtual void on_text(std::string message) = 0;
  virtual void on_binary(std::vector<std::byte> message) = 0;
  /// About once a second.
  virtual void on_tick(std::chrono::steady_clock::time_point now) = 0;
  /// The server goes down: conclude and close before the deadline, after which the connection is cut.
  virtual void on_shutdown(std::chrono::steady_clock::time_point deadline) = 0;
  /// The last call: the connection is over, whoever ended it. `why` is for the log.
  virtual void on_closed(std::string why) = 0;
};

/// A path of the server that speaks WebSocket.
struct WebSocketRoute {
  std::string path;
  Route::Access access = Route::Access::kKey;
  /// Called before the upgrade; an error is the HTTP answer, and there is no upgrade. This call and all those of the
  /// handler come on `strand`, of the audio pool.
  std::function<Result<std::unique_ptr<WebSocketHandler>>(const HttpRequest&, const Strand& strand)> open;
  /// What open() would say now, without opening anything; may be empty. A plain GET of the path is answered with that
  /// error, if any, since browsers do not tell their pages why a WebSocket was refused.
  std::function<Status(const HttpRequest&)> check = {};
};

}  // namespace stenod::api
