#include "server/listener.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "base/log.h"
#include "server/client_address.h"
#include "server/http_connection.h"
#include "server/lingering_close.h"
#include "server/response_writer.h"

namespace stenod::server {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{100};

Error listen_error(const std::string& what, const std::string& why) {
  return {ErrorCode::kListenFailed, what + ": " + why, "listen"};
}

}  // namespace

Result<Tcp::endpoint> resolve_endpoint(const Endpoint& endpoint) {
  if (endpoint.host == "*") return Tcp::endpoint(asio::ip::address_v6::any(), endpoint.port);
  beast::error_code error;
  const asio::ip::address numeric = asio::ip::make_address(endpoint.host, error);  // with its zone, which sockets need
  if (!error) return Tcp::endpoint(numeric, endpoint.port);
  asio::io_context io;
  const auto found = Tcp::resolver(io).resolve(endpoint.host, std::to_string(endpoint.port), error);
  if (error) return listen_error(endpoint.host, error.message());
  return found.begin()->endpoint();
}

Result<std::shared_ptr<Listener>> Listener::listen(asio::io_context& io, const Tcp::endpoint& endpoint) {
  auto listener = std::make_shared<Listener>(io);
  Tcp::acceptor& acceptor = listener->acceptor_;
  beast::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error == asio::error::address_family_not_supported && endpoint.address() == asio::ip::address_v6::any()) {
    return listen(io, Tcp::endpoint(asio::ip::address_v4::any(), endpoint.port()));
  }
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) listener->port_ = acceptor.local_endpoint(error).port();
  if (error) {
    return listen_error(endpoint.address().to_string() + " port " + std::to_string(endpoint.port()), error.message());
  }
  return listener;
}

Listener::Listener(asio::io_context& io)
    : io_(io), executor_(asio::make_strand(io)), acceptor_(executor_), retry_timer_(executor_) {}

void Listener::set_tls(Stream::TlsContext tls) {
  const std::lock_guard lock(mutex_);
  tls_ = std::move(tls);
}

void Listener::start(ServerContext& context) {
  context_ = &context;
  asio::post(executor_, [self = shared_from_this()] { self->accept(); });
}

void Listener::stop() {
  std::promise<void> stopped;
  asio::post(executor_, [&] {
    is_stopped_ = true;
    beast::error_code ignored;
    acceptor_.close(ignored);
    retry_timer_.cancel();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

void Listener::accept() {
  if (is_stopped_) return;
  acceptor_.async_accept(asio::make_strand(io_), beast::bind_front_handler(&Listener::on_accepted, shared_from_this()));
}

void Listener::on_accepted(beast::error_code error, Tcp::socket socket) {
  if (is_stopped_) return;
  if (error) {
    // Out of file descriptors, say: the connection waits in the kernel's queue.
    if (!std::exchange(is_failing_, true)) log::warn("cannot accept connections: {}", error.message());
    retry_timer_.expires_after(kRetryDelay);
    return retry_timer_.async_wait([self = shared_from_this()](beast::error_code) { self->accept(); });
  }
  is_failing_ = false;
  beast::error_code gone;
  const IpAddress peer = ip_address_of(socket.remote_endpoint(gone).address());
  socket.set_option(Tcp::no_delay(true), gone);
  if (gone) return accept();
  auto place = context_->table.admit(peer.subscriber(), context_->proxies.contains(peer));
  if (!place) {
    refuse(std::move(socket));
    return accept();
  }
  Stream::TlsContext tls;
  {
    const std::lock_guard lock(mutex_);
    tls = tls_;
  }
  const auto connection = std::make_shared<HttpConnection>(std::move(place), Stream(std::move(socket), tls), *context_);
  context_->table.add(connection);
  connection->start();
  accept();
}

/// Says 503 to a client for whom there is no place, unless that takes TLS, or very many are being told already.
void Listener::refuse(Tcp::socket socket) {
  auto place = context_->table.admit_refused();
  const std::lock_guard lock(mutex_);
  if (!place || tls_) return;
  api::HttpResponse response =
      api::error_response({ErrorCode::kTooManyConnections, "All connections are in use; try again later."});
  const auto answer = std::make_shared<std::string>(write_head(response, {}) + response.body);
  const auto stream = std::make_shared<Stream>(std::move(socket), nullptr);
  asio::async_write(*stream, asio::buffer(*answer),
                    [answer, stream, place, &context = *context_](beast::error_code error, std::size_t) {
                      if (!error) LingeringClose::start(place, std::move(*stream), context);
                    });
}

}  // namespace stenod::server
