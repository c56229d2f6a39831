#include "client/websocket.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>

#include "base/ip_address.h"
#include "client/refusal.h"
#include "net/url.h"

namespace stenod::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

/// About 8 s of speech as 16-bit samples: more would only make what is shown late.
constexpr std::size_t kMaxOutgoingBytes = 256 * 1024;
constexpr std::size_t kMaxIncoming = 256;
constexpr std::size_t kMaxMessageBytes = 16 * 1024 * 1024;

using Plain = beast::tcp_stream;
using Encrypted = beast::ssl_stream<beast::tcp_stream>;

struct Outgoing {
  bool is_text;
  std::string bytes;
};

/// Layer: Plain or Encrypted. All handlers run on one thread, which owns what is not guarded by the mutex.
template <typename Layer>
class Link final : public WebSocket {
 public:
  Link(const WebSocketOptions& options, net::UrlParts url)
      : options_(options), url_(std::move(url)), ssl_(asio::ssl::context::tls_client), resolver_(io_), ws_(make()) {}

  ~Link() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status open(const std::stop_token& stop) {
    if constexpr (kIsEncrypted) STENOD_RETURN_IF_ERROR(prepare_tls());
    resolve();
    thread_ = std::thread([this] { io_.run(); });
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_for(lock, stop, options_.connect_timeout, [&] { return is_open_ || is_over(); });
    if (is_open_) return {};
    if (failure_) return *failure_;
    if (!in_time && !stop.stop_requested()) {
      return Error{ErrorCode::kNetTimeout,
                   fmt::format("{} did not answer within {} s", place(), options_.connect_timeout.count() / 1000)};
    }
    return Error{ErrorCode::kCancelled, "the connection attempt was cancelled"};
  }

  Status send_text(std::string_view text, const std::stop_token& stop) override {
    return send({true, std::string(text)}, stop);
  }

  Status send_binary(std::span<const std::byte> bytes, const std::stop_token& stop) override {
    return send({false, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}}, stop);
  }

  Incoming receive(std::chrono::steady_clock::time_point deadline) override {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] { return !incoming_.empty() || is_over(); });
    if (!incoming_.empty()) {
      Incoming message{Incoming::Kind::kMessage, std::move(incoming_.front())};
      incoming_.pop_front();
      if (incoming_.size() == kMaxIncoming - 1) asio::post(io_, [this] { read(); });
      return message;
    }
    if (closure_) return {Incoming::Kind::kClosed, {}, *closure_};
    return {};
  }

 private:
  static constexpr bool kIsEncrypted = std::is_same_v<Layer, Encrypted>;
  static constexpr const char* kDefaultPort = kIsEncrypted ? "443" : "80";

  websocket::stream<Layer> make() {
    if constexpr (kIsEncrypted) {
      return websocket::stream<Layer>(io_, ssl_);
    } else {
      return websocket::stream<Layer>(io_);
    }
  }

  std::string port() const { return url_.port.empty() ? kDefaultPort : url_.port; }
  std::string place() const { return fmt::format("{}:{}", url_.host, port()); }

  // Any thread, with mutex_ held.
  bool is_over() const { return failure_ || closure_; }

  Status send(Outgoing message, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return outgoing_bytes_ < kMaxOutgoingBytes || is_over(); });
    if (is_over()) return Error{ErrorCode::kNetUnreachable, "the connection is closed"};
    if (outgoing_bytes_ >= kMaxOutgoingBytes) return Error{ErrorCode::kCancelled, "sending was cancelled"};
    outgoing_bytes_ += message.bytes.size();
    asio::post(io_, [this, message = std::move(message)]() mutable {
      outgoing_.push_back(std::move(message));
      if (outgoing_.size() == 1) write();
    });
    return {};
  }

  Status prepare_tls() {
    if constexpr (kIsEncrypted) {
      auto& tls = ws_.next_layer();  // which took over the context's settings when it was made: they are set here
      error_code error;
      if (options_.verify_certificate) {
        ssl_.set_default_verify_paths(error);
        if (!error) tls.set_verify_mode(asio::ssl::verify_peer, error);
        if (!error) tls.set_verify_callback(asio::ssl::host_name_verification(url_.host), error);
      } else {
        tls.set_verify_mode(asio::ssl::verify_none, error);
      }
      if (!IpAddress::parse(url_.host)) SSL_set_tlsext_host_name(tls.native_handle(), url_.host.c_str());
      if (error) return Error{ErrorCode::kNetTls, fmt::format("TLS can't be prepared: {}", error.message())};
    }
    return {};
  }

  // From here on the network's thread.

  void fail(ErrorCode code, std::string message) {
    const std::lock_guard lock(mutex_);
    failure_ = Error{code, std::move(message)};
    changed_.notify_all();
  }

  void resolve() {
    resolver_.async_resolve(url_.host, port(), [this](error_code error, const Tcp::resolver::results_type& found) {
      if (error) {
        fail(ErrorCode::kNetUnreachable, fmt::format("no host '{}' was found: {}", url_.host, error.message()));
        return;
      }
      auto& tcp = beast::get_lowest_layer(ws_);
      tcp.expires_after(options_.connect_timeout);
      tcp.async_connect(found, [this](error_code refused, const Tcp::endpoint&) {
        if (refused) {
          fail(ErrorCode::kNetUnreachable,
               fmt::format("cannot connect to {}: {}; is the server running?", place(), refused.message()));
          return;
        }
        error_code ignored;
        beast::get_lowest_layer(ws_).socket().set_option(Tcp::no_delay(true), ignored);
        secure();
      });
    });
  }

  void secure() {
    if constexpr (kIsEncrypted) {
      ws_.next_layer().async_handshake(asio::ssl::stream_base::client, [this](error_code error) {
        if (error) {
          const long verdict = SSL_get_verify_result(ws_.next_layer().native_handle());
          fail(ErrorCode::kNetTls,
               verdict == X509_V_OK
                   ? fmt::format("no encrypted connection to {}: {}; does it speak TLS?", place(), error.message())
                   : fmt::format("the certificate of {} is not trusted: {}", place(),
                                 X509_verify_cert_error_string(verdict)));
          return;
        }
        upgrade();
      });
    } else {
      upgrade();
    }
  }

  void upgrade() {
    beast::get_lowest_layer(ws_).expires_never();  // the WebSocket has timers of its own
    ws_.set_option(websocket::stream_base::timeout{options_.connect_timeout, options_.idle_timeout, true});
    ws_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, "stenod");
      for (const auto& [name, value] : options_.headers) request.set(name, value);
    }));
    ws_.read_message_max(kMaxMessageBytes);
    const std::string host = url_.host.find(':') == std::string::npos ? url_.host : '[' + url_.host + ']';
    const std::string target = url_.query.empty() ? url_.path : url_.path + '?' + url_.query;
    ws_.async_handshake(response_, url_.port.empty() ? host : host + ':' + url_.port, target, [this](error_code error) {
      if (error == websocket::error::upgrade_declined) {
        const auto retry_after = response_[beast::http::field::retry_after];
        fail(ErrorCode::kNetHttpStatus,
             describe_refusal({static_cast<int>(response_.result_int()), std::string(response_.body()),
                               std::string(retry_after.data(), retry_after.size())}));
      } else if (error) {
        fail(ErrorCode::kNetUnreachable, fmt::format("{} does not speak WebSocket: {}", place(), error.message()));
      } else {
        {
          const std::lock_guard lock(mutex_);
          is_open_ = true;
          changed_.notify_all();
        }
        read();
      }
    });
  }

  void read() {
    ws_.async_read(buffer_, [this](error_code error, std::size_t) {
      if (error) {
        close(error);
        return;
      }
      const std::lock_guard lock(mutex_);
      incoming_.push_back(beast::buffers_to_string(buffer_.data()));
      buffer_.clear();
      changed_.notify_all();
      if (incoming_.size() < kMaxIncoming) read();
    });
  }

  void write() {
    ws_.text(outgoing_.front().is_text);
    ws_.async_write(asio::buffer(outgoing_.front().bytes), [this](error_code error, std::size_t) {
      if (error) return;  // reading says why
      {
        const std::lock_guard lock(mutex_);
        outgoing_bytes_ -= outgoing_.front().bytes.size();
        changed_.notify_all();
      }
      outgoing_.pop_front();
      if (!outgoing_.empty()) write();
    });
  }

  void close(error_code error) {
    Closure closure;
    if (error == websocket::error::closed) {
      closure = {ws_.reason().code, std::string(ws_.reason().reason.data(), ws_.reason().reason.size())};
    } else if (error == beast::error::timeout) {
      closure.reason = fmt::format("no sign of life for {} s", options_.idle_timeout.count() / 1000);
    } else {
      closure.reason = error.message();
    }
    const std::lock_guard lock(mutex_);
    closure_ = std::move(closure);
    changed_.notify_all();
  }

  const WebSocketOptions options_;
  const net::UrlParts url_;

  asio::io_context io_{1};
  asio::ssl::context ssl_;
  Tcp::resolver resolver_;
  websocket::stream<Layer> ws_;
  websocket::response_type response_;
  beast::flat_buffer buffer_;
  std::deque<Outgoing> outgoing_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_open_ = false;
  std::optional<Error> failure_;  ///< of opening
  std::optional<Closure> closure_;
  std::deque<std::string> incoming_;
  std::size_t outgoing_bytes_ = 0;

  std::thread thread_;
};

template <typename Layer>
Result<std::unique_ptr<WebSocket>> open(const WebSocketOptions& options, net::UrlParts url,
                                        const std::stop_token& stop) {
  auto link = std::make_unique<Link<Layer>>(options, std::move(url));
  STENOD_RETURN_IF_ERROR(link->open(stop));
  return std::unique_ptr<WebSocket>(std::move(link));
}

}  // namespace

Result<std::unique_ptr<WebSocket>> WebSocket::connect(const WebSocketOptions& options,
                                                      const std::stop_token& stop) try {
  STENOD_ASSIGN_OR_RETURN(net::UrlParts url, net::split_url(options.url));
  if (url.scheme == "ws") return open<Plain>(options, std::move(url), stop);
  if (url.scheme == "wss") return open<Encrypted>(options, std::move(url), stop);
  return Error{ErrorCode::kNetBadUrl,
               fmt::format("{}: expected an address that begins with ws:// or wss://", options.url)};
} catch (const boost::system::system_error& error) {
  return Error{ErrorCode::kNetUnreachable, fmt::format("cannot connect to {}: {}", options.url, error.what())};
}

}  // namespace stenod::client
