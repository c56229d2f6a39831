#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>

#include "base/ip_address.h"
#include "base/result.h"
#include "server/context.h"
#include "server/stream.h"

namespace stenod::server {

/// The address of a host, of a name the first; blocks while a name is looked up. Error: kListenFailed.
Result<Tcp::endpoint> resolve_endpoint(const Endpoint& endpoint);

/// Accepts connections, as many as there are places, and starts serving them.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  /// Error: kListenFailed.
  static Result<std::shared_ptr<Listener>> listen(asio::io_context& io, const Tcp::endpoint& endpoint);

  explicit Listener(asio::io_context& io);

  std::uint16_t port() const { return port_; }

  /// For connections from now on; null: plain TCP. Any thread.
  void set_tls(Stream::TlsContext tls);

  void start(ServerContext& context);
  /// Accepts nobody any more, from when it returns. Any thread, but not one of `io`.
  void stop();

 private:
  void accept();
  void on_accepted(beast::error_code error, Tcp::socket socket);
  void refuse(Tcp::socket socket);

  asio::io_context& io_;
  const asio::any_io_executor executor_;
  Tcp::acceptor acceptor_;
  asio::steady_timer retry_timer_;
  std::uint16_t port_ = 0;
  ServerContext* context_ = nullptr;
  bool is_stopped_ = false;
  bool is_failing_ = false;  ///< connections can't be accepted just now
  std::mutex mutex_;
  Stream::TlsContext tls_;  ///< guarded by mutex_
};

}  // namespace stenod::server
