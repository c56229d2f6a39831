#include "server/lingering_close.h"

namespace stenod::server {

void LingeringClose::start(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context) {
  const auto closing = std::make_shared<LingeringClose>(std::move(place), std::move(stream), context);
  context.table.add(closing);
  closing->run();
}

LingeringClose::LingeringClose(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context)
    : place_(std::move(place)), context_(context), stream_(std::move(stream)), timer_(stream_.get_executor()) {}

void LingeringClose::shut_down(std::chrono::steady_clock::time_point) {
  asio::post(stream_.get_executor(),
             [self = shared_from_this()] { self->close_after(self->context_.options.limits.linger_timeout / 5); });
}

void LingeringClose::cut() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->close(); });
}

void LingeringClose::close_after(std::chrono::milliseconds time) {
  if (!stream_.socket().is_open()) return;
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (!error) self->close();
  });
}

void LingeringClose::run() {
  close_after(context_.options.limits.linger_timeout);
  if (!stream_.is_tls()) return on_tls_closed();
  stream_.async_shutdown([self = shared_from_this()](beast::error_code) { self->on_tls_closed(); });
}

void LingeringClose::on_tls_closed() {
  beast::error_code error;
  stream_.socket().shutdown(Tcp::socket::shutdown_send, error);
  if (error) return close();
  read();
}

void LingeringClose::read() {
  stream_.socket().async_read_some(asio::buffer(discarded_),
                                   beast::bind_front_handler(&LingeringClose::on_read, shared_from_this()));
}

void LingeringClose::on_read(beast::error_code error, std::size_t size) {
  discarded_bytes_ += size;
  if (error || discarded_bytes_ > context_.options.limits.max_linger_bytes) return close();
  read();
}

void LingeringClose::close() {
  timer_.cancel();
  beast::error_code ignored;
  stream_.socket().close(ignored);
  context_.table.remove(this);
}

}  // namespace stenod::server
