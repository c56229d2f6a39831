#include "server/websocket_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "server/credential.h"
#include "server/guarded.h"
#include "server/lingering_close.h"

namespace stenod::server {
namespace {

namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using std::chrono::steady_clock;
using CloseCode = websocket::close_code;

/// A message is written in frames of at most so many bytes, so that progress shows and pongs get in between.
constexpr std::size_t kFrameBytes = 64 * 1024;
/// What a waiting message costs besides its text.
constexpr std::size_t kMessageOverheadBytes = 64;
/// Up to here an incomplete message does not count towards Limits::max_assembling_bytes.
constexpr std::size_t kFreeAssemblingBytes = 256 * 1024;
constexpr std::size_t kMaxReasonBytes = 123;
/// The kernel's buffer for what arrives. A client's ping waits behind the audio that it sent before: with the megabytes
/// that kernels take otherwise, one that sends faster than it is served would miss its pong and give up.
constexpr int kReceiveBufferBytes = 128 * 1024;

using HandlerBox = std::shared_ptr<std::unique_ptr<api::WebSocketHandler>>;

/// One WebSocket. Everything private runs on the stream's strand, the handler on its own; at most one read, one write,
/// one ping and one close are under way at a time. The next message is read ahead while the handler has one, so that
/// pings are answered and a client that leaves is noticed, but not more than that one.
class WebSocketConnection : public Connection, public std::enable_shared_from_this<WebSocketConnection> {
 public:
  WebSocketConnection(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context, const Strand& strand,
                      HandlerBox handler);
  ~WebSocketConnection() override;

  void start(const RequestHead& head);

  // Any thread.
  void shut_down(steady_clock::time_point deadline) override;
  void cancel() override {}
  void cut() override;

  // For the peer object; any thread.
  void send_text(std::string message);
  void read_next();
  void close(int code, std::string reason);

 private:
  enum class State {
    kAccepting,  ///< the handshake's answer is being written
    kOpen,
    kClosing,  ///< a close is queued or under way; the handler gets no more messages
    kOver,     ///< the handler knows
  };

  template <typename Call>
  void post(Call call);
  template <typename Call>
  void call_handler(Call call);

  void on_accepted(beast::error_code error);
  void read();
  void on_read(beast::error_code error, std::size_t size);
  bool reserve_memory();
  void deliver();
  void write_some();
  void on_written(beast::error_code error, std::size_t size);
  void start_close(CloseCode code, const std::string& reason);
  void discard_message();
  void on_close_done(beast::error_code error);
  void schedule_tick();
  void on_tick(steady_clock::time_point now);
  void ping(steady_clock::time_point now);
  /// `category`: for the metrics, one of a few; `why`: for the log.
  void end(const char* category, std::string why, bool lingering);
  void finish_when_idle();

  ConnectionTable::SharedPlace place_;
  ServerContext& context_;
  const Limits& limits_;
  const Strand strand_;  ///< the handler's
  const HandlerBox handler_;
  websocket::stream<Stream> websocket_;
  const asio::any_io_executor executor_;
  asio::steady_timer timer_;

  State state_ = State::kAccepting;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_pinging_ = false;
  bool is_closing_ = false;  ///< Beast's closing handshake is under way
  bool is_finished_ = false;
  bool lingers_ = false;
  steady_clock::time_point progress_at_;  ///< when the write under way began
  steady_clock::time_point received_at_;  ///< when the client was last heard, or reading began
  steady_clock::time_point pinged_at_;
  std::optional<steady_clock::time_point> close_deadline_;
  std::optional<steady_clock::time_point> shutdown_deadline_;

  std::array<char, 16 * 1024> read_buffer_;
  std::vector<std::byte> message_;  ///< complete or not
  bool is_complete_ = false;
  bool is_wanted_ = false;  ///< the handler has asked
  std::size_t reserved_bytes_ = 0;

  std::deque<std::string> outgoing_;
  std::size_t written_ = 0;  ///< of its first
  std::atomic<std::size_t> unsent_bytes_ = 0;
  std::optional<websocket::close_reason> close_reason_;
  bool discards_output_ = false;

  bool is_ticking_ = false;  ///< the handler has an on_tick() to do
};

/// The client as the handler sees it; does not keep the connection alive.
class Peer : public api::WebSocketPeer {
 public:
  explicit Peer(std::weak_ptr<WebSocketConnection> connection) : connection_(std::move(connection)) {}

  void send_text(std::string message) override {
    if (const auto connection = connection_.lock()) connection->send_text(std::move(message));
  }
  void read_next() override {
    if (const auto connection = connection_.lock()) connection->read_next();
  }
  void close(int code, std::string reason) override {
    if (const auto connection = connection_.lock()) connection->close(code, std::move(reason));
  }

 private:
  const std::weak_ptr<WebSocketConnection> connection_;
};

WebSocketConnection::WebSocketConnection(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context,
                                         const Strand& strand, HandlerBox handler)
    : place_(std::move(place)),
      context_(context),
      limits_(context.options.limits),
      strand_(strand),
      handler_(std::move(handler)),
      websocket_(std::move(stream)),
      executor_(websocket_.get_executor()),
      timer_(executor_) {
  context_.metrics.websocket_opened();
}

WebSocketConnection::~WebSocketConnection() { context_.assembling_bytes -= reserved_bytes_; }

template <typename Call>
void WebSocketConnection::post(Call call) {
  asio::post(executor_, [self = shared_from_this(), call = std::move(call)]() mutable { call(*self); });
}

template <typename Call>
void WebSocketConnection::call_handler(Call call) {
  strand_.post([self = shared_from_this(), call = std::move(call)]() mutable {
    const Status status = guarded([&]() -> Status {
      call(**self->handler_);
      return {};
    });
    if (status) return;
    log::error("WebSocket handler: {}", status.error().message);
    self->close(CloseCode::internal_error, "internal error");
  });
}

void WebSocketConnection::start(const RequestHead& head) {
  http::request<http::empty_body> request(http::verb::get, head.target, 11);
  for (const auto& [name, value] : head.request.headers) request.insert(name, value);
  const bool has_subprotocol =
      list_contains(api::find_field(head.request.headers, "Sec-WebSocket-Protocol"), kSubprotocol);

  websocket_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(), websocket::stream_base::none(),
                                                        false});  // on_tick() sees to it
  websocket::permessage_deflate deflate;
  deflate.server_enable = context_.options.permessage_deflate;
  websocket_.set_option(deflate);
  websocket_.set_option(websocket::stream_base::decorator([has_subprotocol](websocket::response_type& response) {
    response.set(http::field::server, "stenod");
    if (has_subprotocol) response.set(http::field::sec_websocket_protocol, kSubprotocol);
  }));
  websocket_.read_message_max(limits_.max_message_bytes);
  websocket_.text(true);
  websocket_.auto_fragment(false);
  websocket_.control_callback(
      [this](websocket::frame_type, beast::string_view) { received_at_ = steady_clock::now(); });

  beast::error_code ignored;
  websocket_.next_layer().socket().set_option(asio::socket_base::receive_buffer_size(kReceiveBufferBytes), ignored);
  progress_at_ = pinged_at_ = steady_clock::now();
  is_writing_ = true;
  schedule_tick();
  websocket_.async_accept(request, beast::bind_front_handler(&WebSocketConnection::on_accepted, shared_from_this()));
}

void WebSocketConnection::on_accepted(beast::error_code error) {
  is_writing_ = false;
  if (state_ == State::kOver) return finish_when_idle();
  if (error) return end("failure", "the handshake failed: " + error.message(), false);
  state_ = State::kOpen;
  call_handler(
      [peer = std::make_shared<Peer>(weak_from_this())](api::WebSocketHandler& handler) { handler.on_open(peer); });
  if (shutdown_deadline_) {
    call_handler([deadline = *shutdown_deadline_](api::WebSocketHandler& handler) { handler.on_shutdown(deadline); });
  }
  read();
}

// Reading

void WebSocketConnection::read() {
  if (is_reading_ || is_complete_ || state_ == State::kOver) return;
  is_reading_ = true;
  received_at_ = steady_clock::now();
  websocket_.async_read_some(asio::buffer(read_buffer_),
                             beast::bind_front_handler(&WebSocketConnection::on_read, shared_from_this()));
}

void WebSocketConnection::on_read(beast::error_code error, std::size_t size) {
  is_reading_ = false;
  if (state_ == State::kOver) return finish_when_idle();
  if (error) {
    // Beast has sent the close frame that goes with it.
    if (is_closing_) return;  // on_close_done() comes
    if (error == websocket::error::closed) {
      return end("client", fmt::format("the client closed with {}", websocket_.reason().code), true);
    }
    const bool is_violation = error.category() == beast::error_code(websocket::error::closed).category();
    return end(is_violation ? "violation" : "failure", error.message(), is_violation);
  }
  if (state_ == State::kClosing) return read();
  const auto* const bytes = reinterpret_cast<const std::byte*>(read_buffer_.data());
  message_.insert(message_.end(), bytes, bytes + size);
  if (!reserve_memory()) return start_close(CloseCode::try_again_later, "too many large messages at once");
  is_complete_ = websocket_.is_message_done();
  if (is_complete_) return deliver();
  read();
}

/// Counts a large message towards what all connections may hold; false: there is no room.
bool WebSocketConnection::reserve_memory() {
  const std::size_t needed = message_.size() > kFreeAssemblingBytes ? message_.size() : 0;
  if (needed <= reserved_bytes_) return true;
  const std::size_t more = needed - reserved_bytes_;
  if (context_.assembling_bytes.fetch_add(more) + more > limits_.max_assembling_bytes) {
    context_.assembling_bytes -= more;
    return false;
  }
  reserved_bytes_ = needed;
  return true;
}

void WebSocketConnection::deliver() {
  if (!is_complete_ || !is_wanted_ || state_ != State::kOpen) return;
  is_complete_ = is_wanted_ = false;
  if (websocket_.got_text()) {
    call_handler([text = std::string(reinterpret_cast<const char*>(message_.data()), message_.size())](
                     api::WebSocketHandler& handler) mutable { handler.on_text(std::move(text)); });
    message_.clear();
  } else {
    call_handler([message = std::exchange(message_, {})](api::WebSocketHandler& handler) mutable {
      handler.on_binary(std::move(message));
    });
  }
  context_.assembling_bytes -= std::exchange(reserved_bytes_, 0);
  read();
}

void WebSocketConnection::read_next() {
  post([](WebSocketConnection& connection) {
    connection.is_wanted_ = true;
    connection.deliver();
  });
}

// Writing

void WebSocketConnection::send_text(std::string message) {
  // One message may be larger than the limit: that the client does not read shows by what waits before it.
  if (unsent_bytes_.fetch_add(message.size() + kMessageOverheadBytes) > limits_.max_unsent_message_bytes) {
    return post([](WebSocketConnection& connection) {
      connection.start_close(CloseCode::policy_error, "does not read what it is sent");
    });
  }
  post([message = std::move(message)](WebSocketConnection& connection) mutable {
    if (connection.state_ == State::kOver || connection.close_reason_) return;
    connection.outgoing_.push_back(std::move(message));
    connection.write_some();
  });
}

void WebSocketConnection::write_some() {
  if (is_writing_ || is_closing_ || state_ == State::kOver) return;
  if (!outgoing_.empty()) {
    const std::string& message = outgoing_.front();
    const std::size_t size = std::min(message.size() - written_, kFrameBytes);
    is_writing_ = true;
    progress_at_ = steady_clock::now();
    return websocket_.async_write_some(written_ + size == message.size(), asio::buffer(message.data() + written_, size),
                                       beast::bind_front_handler(&WebSocketConnection::on_written, shared_from_this()));
  }
  if (!close_reason_) return;
  is_closing_ = true;
  // What was written may still wait in the system's buffers, where no progress shows.
  if (!close_deadline_) close_deadline_ = steady_clock::now() + limits_.write_timeout + limits_.close_timeout;
  websocket_.async_close(*close_reason_,
                         beast::bind_front_handler(&WebSocketConnection::on_close_done, shared_from_this()));
}

void WebSocketConnection::on_written(beast::error_code error, std::size_t size) {
  is_writing_ = false;
  if (state_ == State::kOver) return finish_when_idle();
  if (error) {
    // When the connection is over the read has the reason, and comes next.
    if (error == asio::error::operation_aborted && is_reading_) return;
    return end("failure", error.message(), false);
  }
  if (discards_output_) {
    outgoing_.clear();
    return write_some();
  }
  written_ += size;
  if (!outgoing_.empty() && written_ >= outgoing_.front().size()) {
    unsent_bytes_ -= outgoing_.front().size() + kMessageOverheadBytes;
    outgoing_.pop_front();
    written_ = 0;
  }
  write_some();
}

// The end

void WebSocketConnection::close(int code, std::string reason) {
  post([code, reason = std::move(reason)](WebSocketConnection& connection) {
    if (connection.state_ != State::kOpen) return;
    connection.state_ = State::kClosing;
    connection.close_reason_ = websocket::close_reason(static_cast<CloseCode>(code), reason.substr(0, kMaxReasonBytes));
    connection.write_some();
    connection.discard_message();
  });
}

/// Closes without what still waits to be sent.
void WebSocketConnection::start_close(CloseCode code, const std::string& reason) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  discards_output_ = true;
  close_reason_ = websocket::close_reason(code, reason);
  close_deadline_ = steady_clock::now() + limits_.close_timeout;
  if (!is_writing_) outgoing_.clear();
  write_some();
  discard_message();
}

/// From now on what the client sends is read only to see it leave.
void WebSocketConnection::discard_message() {
  message_ = {};
  is_complete_ = false;
  context_.assembling_bytes -= std::exchange(reserved_bytes_, 0);
  read();
}

void WebSocketConnection::on_close_done(beast::error_code error) {
  is_closing_ = false;
  if (state_ == State::kOver) return finish_when_idle();
  end("server", fmt::format("closed with {}: {}", close_reason_->code, close_reason_->reason.c_str()), !error);
}

void WebSocketConnection::shut_down(steady_clock::time_point deadline) {
  post([deadline](WebSocketConnection& connection) {
    if (connection.shutdown_deadline_) return;
    connection.shutdown_deadline_ = deadline;
    if (connection.state_ != State::kOpen) return;  // on_accepted() does it, or it closes anyway
    connection.call_handler([deadline](api::WebSocketHandler& handler) { handler.on_shutdown(deadline); });
  });
}

void WebSocketConnection::cut() {
  post([](WebSocketConnection& connection) { connection.end("cut", "cut at the end of shutting down", false); });
}

void WebSocketConnection::end(const char* category, std::string why, bool lingering) {
  if (state_ == State::kOver) return;
  log::debug("WebSocket over: {}", why);
  context_.metrics.websocket_closed(category);
  const bool was_opened = state_ != State::kAccepting;
  state_ = State::kOver;
  lingers_ = lingering;
  timer_.cancel();
  if (was_opened) {
    call_handler([why = std::move(why)](api::WebSocketHandler& handler) mutable { handler.on_closed(std::move(why)); });
  }
  strand_.post([box = handler_] { box->reset(); });
  beast::error_code ignored;
  Tcp::socket& socket = websocket_.next_layer().socket();
  lingering ? socket.cancel(ignored) : socket.close(ignored);
  finish_when_idle();
}

void WebSocketConnection::finish_when_idle() {
  if (is_reading_ || is_writing_ || is_pinging_ || is_closing_ || is_finished_) return;
  is_finished_ = true;
  if (lingers_) LingeringClose::start(place_, std::move(websocket_.next_layer()), context_);
  context_.table.remove(this);
}

// Time

void WebSocketConnection::schedule_tick() {
  timer_.expires_after(limits_.tick_interval);
  timer_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (error || self->state_ == State::kOver) return;
    self->on_tick(steady_clock::now());
    if (self->state_ != State::kOver) self->schedule_tick();
  });
}

void WebSocketConnection::on_tick(steady_clock::time_point now) {
  if (close_deadline_ && now >= *close_deadline_) return end("timeout", "no closing handshake in time", false);
  if (is_writing_ && now - progress_at_ > limits_.write_timeout) return end("timeout", "it does not read", false);
  if (state_ != State::kOpen) return;
  if (is_reading_ && now - received_at_ > limits_.silence_timeout) {
    return start_close(CloseCode::policy_error, "nothing heard for too long");
  }
  if (!is_pinging_ && now - pinged_at_ >= limits_.ping_interval) ping(now);
  if (std::exchange(is_ticking_, true)) return;  // the handler is busy; it gets the next one
  call_handler([now](api::WebSocketHandler& handler) { handler.on_tick(now); });
  strand_.post([self = shared_from_this()] {
    self->post([](WebSocketConnection& connection) { connection.is_ticking_ = false; });
  });
}

void WebSocketConnection::ping(steady_clock::time_point now) {
  is_pinging_ = true;
  pinged_at_ = now;
  websocket_.async_ping({}, [self = shared_from_this()](beast::error_code error) {
    self->is_pinging_ = false;
    if (self->state_ == State::kOver) return self->finish_when_idle();
    // While nothing is read this is all that shows it.
    if (error && error != asio::error::operation_aborted) self->end("failure", error.message(), false);
  });
}

}  // namespace

void start_websocket(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context, const Strand& strand,
                     std::shared_ptr<std::unique_ptr<api::WebSocketHandler>> handler, const RequestHead& head) {
  const auto connection =
      std::make_shared<WebSocketConnection>(std::move(place), std::move(stream), context, strand, std::move(handler));
  context.table.add(connection);
  connection->start(head);
}

}  // namespace stenod::server
