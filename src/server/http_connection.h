#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/http.h"
#include "api/websocket.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "server/connection_table.h"
#include "server/context.h"
#include "server/http_reply.h"
#include "server/request_parser.h"
#include "server/stream.h"

namespace stenod::server {

/// One client that speaks HTTP: reads requests, one at a time, has them handled on the audio or the upload pool, and
/// writes answers, until either side has enough or it becomes a WebSocket.
///
/// Everything private runs on the stream's strand. At most one read, one write and one call of the handler are under
/// way at a time. While a request is answered a read stays pending, so that a client that leaves is noticed.
class HttpConnection : public Connection, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context);

  /// Call on the strand, once.
  void start();

  // Any thread.
  void shut_down(std::chrono::steady_clock::time_point deadline) override;
  void cancel() override;
  void cut() override;

  // The reply of request `number`; any thread. Late ones are ignored.
  void send(std::uint64_t number, api::HttpResponse response);
  void begin(std::uint64_t number, api::HttpResponse head);
  void write(std::uint64_t number, std::string piece);
  void finish(std::uint64_t number);
  void abandon(std::uint64_t number);  ///< the answer will never be whole

 private:
  enum class Phase {
    kHandshake,  ///< of TLS
    kHead,       ///< reading a request's head
    kOpening,    ///< the route, or the WebSocket's, looks at the head
    kBody,       ///< reading its body
    kTaking,     ///< the handler takes a piece of the body
    kAnswer,     ///< waiting for, or writing, the answer
    kUpgrading,  ///< waiting for a read to end before the stream becomes a WebSocket
    kClosing,    ///< waiting for operations to end before the stream is closed or handed on
  };
  struct HandlerBox {
    std::unique_ptr<api::RequestHandler> handler;  ///< touched on its pool only
  };
  struct Outgoing {
    std::string bytes;
    std::size_t counted = 0;  ///< what of unsent_bytes it stands for
  };

  template <typename Call>
  void post(Call call);
  template <typename Call>
  void post_answer(std::uint64_t number, Call call);

  void next_request();
  void read();
  void on_read(beast::error_code error, std::size_t size);
  void on_end(beast::error_code error);
  void read_head();
  void on_head(RequestHead head);
  Status check_origin(bool is_for_websocket);
  void answer_options(const Router::Match& match);
  void open_route(const api::Route& route);
  void on_opened();
  void read_body();
  void give_piece();
  void open_websocket(const api::WebSocketRoute& route);
  void become_websocket();
  std::shared_ptr<ConnectionReply> make_reply();
  void release_handlers();

  void fail(const Error& error);
  void respond(api::HttpResponse response);
  void write_response_head(api::HttpResponse& response, bool in_pieces);
  void enqueue(std::string bytes, std::size_t counted = 0);
  void write_some();
  void on_written(beast::error_code error, std::size_t size);
  void end_answer();

  void set_read_deadline(std::chrono::milliseconds after);
  void on_read_timeout();
  void close(bool lingering);
  void close_when_idle();

  ConnectionTable::SharedPlace place_;
  ServerContext& context_;
  const Limits& limits_;
  std::optional<Stream> stream_;  ///< empty once handed on
  const asio::any_io_executor executor_;
  const IpAddress peer_;
  Strand strand_;  ///< the current request's, of the pool that its handler is called on
  asio::steady_timer read_timer_;
  asio::steady_timer write_timer_;

  Phase phase_ = Phase::kHandshake;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool peer_ended_ = false;  ///< it sends no more
  bool is_shutting_down_ = false;
  bool lingers_ = false;  ///< kClosing: with all due care
  bool is_first_ = true;
  std::array<char, 16 * 1024> read_buffer_;
  std::string received_;  ///< and not yet used
  std::deque<Outgoing> outgoing_;
  std::size_t written_ = 0;  ///< of its first

  // The current request
  std::uint64_t number_ = 0;
  std::optional<RequestParser> parser_;
  RequestHead head_;
  std::string route_name_;
  api::HttpResponse (*answer_error_)(const Error&) = api::error_response;  ///< of the route
  std::string cors_origin_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point read_started_;
  std::chrono::steady_clock::duration body_wait_{};
  std::uint64_t body_bytes_ = 0;
  std::vector<std::byte> piece_;
  std::shared_ptr<HandlerBox> handler_;
  std::shared_ptr<std::unique_ptr<api::WebSocketHandler>> websocket_handler_;
  std::shared_ptr<ReplyState> reply_state_;
  bool keep_alive_ = false;
  bool is_chunked_ = false;
  bool answer_complete_ = false;
  int status_ = 0;
};

}  // namespace stenod::server
