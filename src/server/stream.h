#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <memory>
#include <utility>
#include <variant>

namespace stenod::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Tcp = asio::ip::tcp;

/// A client's byte stream, plain or in TLS: one type, so that what is built on it is compiled once. Used on its
/// executor, a strand. An AsyncStream of Asio for completion handlers (no other tokens).
class Stream {
 public:
  using executor_type = asio::any_io_executor;
  using TlsContext = std::shared_ptr<asio::ssl::context>;

  /// `tls`: null for plain TCP.
  Stream(Tcp::socket socket, const TlsContext& tls) : tls_(tls), stream_(make(std::move(socket), tls)) {}

  executor_type get_executor() { return socket().get_executor(); }
  bool is_tls() const { return tls_ != nullptr; }
  Tcp::socket& socket() {
    if (auto* const tls = std::get_if<TlsStream>(&stream_)) return tls->next_layer();
    return std::get<Tcp::socket>(stream_);
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    std::visit([&](auto& stream) { stream.async_read_some(buffers, std::forward<Handler>(handler)); }, stream_);
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    std::visit([&](auto& stream) { stream.async_write_some(buffers, std::forward<Handler>(handler)); }, stream_);
  }

  /// TLS only: the handshake, and the exchange of close_notify.
  template <typename Handler>
  void async_handshake(Handler&& handler) {
    std::get<TlsStream>(stream_).async_handshake(asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <typename Handler>
  void async_shutdown(Handler&& handler) {
    std::get<TlsStream>(stream_).async_shutdown(std::forward<Handler>(handler));
  }

 private:
  using TlsStream = asio::ssl::stream<Tcp::socket>;

  static std::variant<Tcp::socket, TlsStream> make(Tcp::socket socket, const TlsContext& tls) {
    if (tls) return TlsStream(std::move(socket), *tls);
    return socket;
  }

  TlsContext tls_;
  std::variant<Tcp::socket, TlsStream> stream_;
};

/// Beast's WebSocket calls these when a connection is over. The end of the TCP connection is LingeringClose's.
inline void teardown(beast::role_type, Stream&, beast::error_code& error) { error = {}; }
template <typename Handler>
void async_teardown(beast::role_type, Stream& stream, Handler&& handler) {
  asio::post(stream.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), beast::error_code()));
}
inline void beast_close_socket(Stream& stream) {
  beast::error_code ignored;
  stream.socket().close(ignored);
}

}  // namespace stenod::server
