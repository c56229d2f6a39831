#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "api/http.h"
#include "api/websocket.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "server/options.h"

namespace stenod::server {

/// HTTP/1.1 and WebSocket (RFC 9112, RFC 6455) on one port, plain or with TLS. docs/server.md tells the way of a
/// request.
///
/// Sockets are served by I/O threads of its own; routes and WebSocket handlers are called on the audio pool, and those
/// that take uploads on the upload pool, one call at a time for each request or WebSocket. All functions may be called
/// by any thread.
class Server {
 public:
  /// Listens, but accepts nobody before start(). The pools must outlive the server, and whatever the routes refer to
  /// too. Errors: kListenFailed, kTlsBadCertificate, kInvalidArgument (with the option in `param`), those of reading
  /// the certificate's files.
  static Result<std::unique_ptr<Server>> create(ServerOptions options, std::vector<api::Route> routes,
                                                std::vector<api::WebSocketRoute> websocket_routes,
                                                ThreadPool& audio_pool, ThreadPool& upload_pool);
  /// stop() without grace, if it was not stopped before.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;

  /// The routes that were missing (ServerOptions::more_routes_come). Once. Error: kInternal, where two are the same
  /// or none were announced.
  Status add_routes(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes);

  /// Also raises the process's limit of open files as far as `max_connections` takes.
  void start();

  /// Accepts nobody any more, closes idle connections, gives WebSocket handlers notice, lets requests finish, and cuts
  /// what is left at the deadline; stop tokens of requests are set a little before. Returns when all handlers are gone.
  void stop(std::chrono::steady_clock::time_point deadline);

  /// Reads the certificate and its key again, for connections from now on. On an error the old ones stay in use.
  Status reload_certificate();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::server
