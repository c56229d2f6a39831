#include "server/http_connection.h"

#include <algorithm>
#include <boost/asio/ssl/error.hpp>
#include <utility>

#include "base/log.h"
#include "server/client_address.h"
#include "server/credential.h"
#include "server/guarded.h"
#include "server/lingering_close.h"
#include "server/response_writer.h"
#include "server/websocket_connection.h"

namespace stenod::server {
namespace {

using std::chrono::steady_clock;

/// What may already arrive while a request is being answered: the next ones.
constexpr std::size_t kMaxPipelinedBytes = 32 * 1024;
/// What one write takes at most, so that a client that reads slowly still makes progress within the time allowed.
constexpr std::size_t kWriteBytes = 64 * 1024;

bool is_websocket_upgrade(const RequestHead& head) {
  return head.request.method == "GET" && list_contains(api::find_field(head.request.headers, "Upgrade"), "websocket");
}

Status check_websocket_handshake(const RequestHead& head) {
  const api::Fields& headers = head.request.headers;
  if (api::find_field(headers, "Sec-WebSocket-Version") != "13") {
    return Error{ErrorCode::kUpgradeRequired, "Sec-WebSocket-Version must be 13."};
  }
  const std::string_view key = api::find_field(headers, "Sec-WebSocket-Key");
  const bool is_key =
      key.size() == 24 && key.substr(22) == "==" && std::all_of(key.begin(), key.begin() + 22, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/';
      });
  if (!is_key) return Error{ErrorCode::kBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64."};
  if (!head.is_http_1_1 || !list_contains(api::find_field(headers, "Connection"), "upgrade")) {
    return Error{ErrorCode::kBadRequest, "A WebSocket handshake is HTTP/1.1 with Connection: Upgrade."};
  }
  return {};
}

Status authorise(const ServerContext& context, api::HttpRequest& request, api::Route::Access access) {
  if (!context.options.authorise) return {};
  const std::string credential(find_credential(request.headers));
  return context.options.authorise(request, access, credential);
}

}  // namespace

HttpConnection::HttpConnection(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context)
    : place_(std::move(place)),
      context_(context),
      limits_(context.options.limits),
      stream_(std::move(stream)),
      executor_(stream_->get_executor()),
      peer_([this] {
        beast::error_code ignored;
        return ip_address_of(stream_->socket().remote_endpoint(ignored).address());
      }()),
      strand_(context.audio_pool),
      read_timer_(executor_),
      write_timer_(executor_) {}

template <typename Call>
void HttpConnection::post(Call call) {
  asio::post(executor_, [self = shared_from_this(), call = std::move(call)]() mutable { call(*self); });
}

/// As post(), for the reply of request `number`, if that is still waited for.
template <typename Call>
void HttpConnection::post_answer(std::uint64_t number, Call call) {
  post([number, call = std::move(call)](HttpConnection& connection) mutable {
    if (connection.phase_ == Phase::kAnswer && connection.number_ == number) call(connection);
  });
}

void HttpConnection::start() {
  if (!stream_->is_tls()) return next_request();
  set_read_deadline(limits_.head_timeout);
  is_reading_ = true;
  stream_->async_handshake([self = shared_from_this()](beast::error_code error) {
    self->is_reading_ = false;
    if (self->phase_ == Phase::kClosing) return self->close_when_idle();
    if (!error) return self->next_request();
    log::debug("TLS handshake with {}: {}", self->peer_.to_string(), error.message());
    self->close(false);
  });
}

void HttpConnection::shut_down(steady_clock::time_point) {
  post([](HttpConnection& connection) {
    connection.is_shutting_down_ = true;
    if (connection.phase_ == Phase::kHead && connection.received_.empty()) connection.close(false);
  });
}

void HttpConnection::cancel() {
  post([](HttpConnection& connection) {
    if (connection.reply_state_) connection.reply_state_->stop.request_stop();
  });
}

void HttpConnection::cut() {
  post([](HttpConnection& connection) { connection.close(false); });
}

// Reading

void HttpConnection::next_request() {
  if (is_shutting_down_) return close(true);
  ++number_;
  phase_ = Phase::kHead;
  parser_.emplace(limits_.max_head_bytes);
  head_ = {};
  route_name_ = "none";
  answer_error_ = api::error_response;
  cors_origin_.clear();
  body_wait_ = {};
  body_bytes_ = 0;
  piece_.clear();
  reply_state_ = std::make_shared<ReplyState>();
  is_chunked_ = false;
  answer_complete_ = false;
  status_ = 0;
  started_ = steady_clock::now();
  set_read_deadline(received_.empty() && !is_first_ ? limits_.keep_alive_timeout : limits_.head_timeout);
  is_first_ = false;
  read_head();
}

void HttpConnection::read() {
  if (is_reading_ || peer_ended_) return;
  is_reading_ = true;
  read_started_ = steady_clock::now();
  stream_->async_read_some(asio::buffer(read_buffer_),
                           beast::bind_front_handler(&HttpConnection::on_read, shared_from_this()));
}

void HttpConnection::on_read(beast::error_code error, std::size_t size) {
  is_reading_ = false;
  if (phase_ == Phase::kClosing) return close_when_idle();
  if (phase_ == Phase::kUpgrading && (!error || error == asio::error::operation_aborted)) {
    received_.append(read_buffer_.data(), size);
    return become_websocket();
  }
  if (error) return on_end(error);
  const bool was_idle = received_.empty();
  received_.append(read_buffer_.data(), size);
  switch (phase_) {
    case Phase::kHead:
      if (was_idle) {
        started_ = steady_clock::now();
        set_read_deadline(limits_.head_timeout);
      }
      return read_head();
    case Phase::kBody: {
      body_wait_ += steady_clock::now() - read_started_;
      const double seconds = std::chrono::duration<double>(body_wait_).count();
      if (body_wait_ > limits_.body_idle_timeout &&
          static_cast<double>(body_bytes_) < seconds * static_cast<double>(limits_.min_body_bytes_per_s)) {
        return fail({ErrorCode::kRequestTimeout, "The body arrives too slowly."});
      }
      return read_body();
    }
    case Phase::kAnswer:
      if (received_.size() < kMaxPipelinedBytes) read();
      return;
    default:
      return;
  }
}

void HttpConnection::on_end(beast::error_code error) {
  peer_ended_ = true;
  // TLS clients often leave without close_notify.
  const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  if (!is_end) log::debug("connection with {}: {}", peer_.to_string(), error.message());
  // A client that has only said that it sends no more still gets its answer, if the handler goes on to give one.
  reply_state_->stop.request_stop();
  const bool awaits_answer = phase_ == Phase::kAnswer || phase_ == Phase::kOpening || phase_ == Phase::kTaking;
  if (!is_end || !awaits_answer) close(false);
}

void HttpConnection::read_head() {
  // Old clients end a body with a line break too many (RFC 9112, section 2.2).
  while (received_.size() >= 2 && received_.compare(0, 2, "\r\n") == 0) received_.erase(0, 2);
  if (received_.empty() || received_ == "\r") return peer_ended_ ? close(true) : read();
  const auto size = parser_->find_head(received_);
  if (!size) return fail(size.error());
  if (!*size) return peer_ended_ ? close(true) : read();
  read_timer_.cancel();
  auto head = parser_->parse_head(std::string_view(received_).substr(0, **size));
  if (!head) return fail(head.error());
  received_.erase(0, **size);
  on_head(std::move(*head));
}

void HttpConnection::on_head(RequestHead head) {
  head_ = std::move(head);
  api::HttpRequest& request = head_.request;
  request.client_address = context_.proxies.client_of(peer_, request.headers).to_string();
  const bool is_starting = context_.is_starting;  // read before the router, which changes before it
  const Router& router = *context_.router;
  const api::WebSocketRoute* const websocket = router.find_websocket(request.path);
  Router::Match match = router.find(request.method, head_.segments);
  // A plain GET, where the path has nothing for it, asks why an upgrade is refused.
  const bool is_for_websocket =
      websocket != nullptr && (is_websocket_upgrade(head_) || (match.allow.empty() && request.method == "GET"));
  if (const Status status = check_origin(is_for_websocket); !status) return fail(status.error());
  if (is_starting && (match.allow.empty() || is_websocket_upgrade(head_))) {
    return fail({ErrorCode::kNotReady, "The server is starting; try again soon."});
  }
  if (request.path == "*" && request.method == "OPTIONS") return answer_options({nullptr, {}, "GET, HEAD, OPTIONS"});
  if (is_for_websocket) return open_websocket(*websocket);
  if (websocket != nullptr && match.allow.empty()) match.allow = "GET, OPTIONS";
  if (match.allow.empty()) return fail({ErrorCode::kNotFound, "There is no " + request.path + " here."});
  if (request.method == "OPTIONS") return answer_options(match);
  if (match.route == nullptr) {
    api::HttpResponse response =
        api::error_response({ErrorCode::kMethodNotAllowed, "This path knows " + match.allow + " only."});
    response.headers.emplace_back("Allow", match.allow);
    return respond(std::move(response));
  }
  route_name_ = match.route->pattern;
  answer_error_ = match.route->answer_error;
  request.path_parameters = std::move(match.path_parameters);
  const std::uint64_t max_bytes = match.route->max_body_bytes;
  if (request.content_length.value_or(0) > max_bytes) {
    return fail({ErrorCode::kPayloadTooLarge, "The body has " + std::to_string(*request.content_length) +
                                                  " bytes; this path takes at most " + std::to_string(max_bytes) +
                                                  "."});
  }
  parser_->set_max_body_bytes(max_bytes);
  open_route(*match.route);
}

Status HttpConnection::check_origin(bool is_for_websocket) {
  if (!context_.origins.answers_to(head_.host)) {
    return Error{ErrorCode::kHostNotAllowed,
                 "This server does not go by that name. If it should, add it to the setting allowed_hosts."};
  }
  const std::string_view origin = api::find_field(head_.request.headers, "Origin");
  switch (context_.origins.judge(origin, head_.host)) {
    case OriginPolicy::Verdict::kSame:
      return {};
    case OriginPolicy::Verdict::kAllowed:
      cors_origin_ = origin;
      return {};
    case OriginPolicy::Verdict::kForbidden:
      break;
  }
  // The browser itself keeps other pages from reading answers, but not from sending requests and opening WebSockets.
  const std::string& method = head_.request.method;
  if ((method == "GET" || method == "HEAD") && !is_for_websocket) return {};
  return Error{ErrorCode::kOriginNotAllowed,
               "Pages of this origin may not use the server. If they should, add it to the setting allowed_origins."};
}

void HttpConnection::answer_options(const Router::Match& match) {
  api::HttpResponse response;
  response.status = 204;
  response.headers.emplace_back("Allow", match.allow);
  if (!cors_origin_.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Methods", match.allow);
    response.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type, X-API-Key");
    response.headers.emplace_back("Access-Control-Max-Age", "600");
  }
  respond(std::move(response));
}

// The handler

std::shared_ptr<ConnectionReply> HttpConnection::make_reply() {
  return std::make_shared<ConnectionReply>(weak_from_this(), reply_state_, number_, limits_.max_unsent_response_bytes);
}

void HttpConnection::open_route(const api::Route& route) {
  strand_ = Strand(route.takes_uploads ? context_.upload_pool : context_.audio_pool);
  handler_ = std::make_shared<HandlerBox>();
  // Without a body it is all one call.
  std::shared_ptr<ConnectionReply> reply = parser_->is_done() ? make_reply() : nullptr;
  phase_ = reply ? Phase::kAnswer : Phase::kOpening;
  strand_.post(
      [self = shared_from_this(), &route, reply, box = handler_, request = std::move(head_.request)]() mutable {
        const Status status = guarded([&]() -> Status {
          STENOD_RETURN_IF_ERROR(authorise(self->context_, request, route.access));
          STENOD_ASSIGN_OR_RETURN(box->handler, route.open(request));
          if (reply) box->handler->complete(reply);
          return {};
        });
        if (reply) {
          box->handler.reset();
          if (!status) reply->send(route.answer_error(status.error()));
          reply.reset();
          return;
        }
        self->post([status](HttpConnection& connection) {
          if (connection.phase_ != Phase::kOpening) return;
          if (!status) return connection.fail(status.error());
          connection.on_opened();
        });
      });
  if (reply) read();
}

void HttpConnection::on_opened() {
  if (head_.expects_continue) enqueue("HTTP/1.1 100 Continue\r\n\r\n");
  phase_ = Phase::kBody;
  read_body();
}

void HttpConnection::read_body() {
  if (!parser_->is_done() && !received_.empty()) {
    const auto size = parser_->parse_body(received_, piece_);
    if (!size) return fail(size.error());
    received_.erase(0, *size);
    body_bytes_ += piece_.size();
  }
  if (parser_->is_done() || !piece_.empty()) return give_piece();
  if (peer_ended_) return close(false);
  set_read_deadline(limits_.body_idle_timeout);
  read();
}

void HttpConnection::give_piece() {
  read_timer_.cancel();
  std::shared_ptr<ConnectionReply> reply = parser_->is_done() ? make_reply() : nullptr;
  phase_ = reply ? Phase::kAnswer : Phase::kTaking;
  strand_.post([self = shared_from_this(), answer_error = answer_error_, reply, box = handler_,
                piece = std::exchange(piece_, {})]() mutable {
    if (!box->handler) return;
    const Status status = guarded([&]() -> Status {
      if (!piece.empty()) STENOD_RETURN_IF_ERROR(box->handler->take(piece));
      if (reply) box->handler->complete(reply);
      return {};
    });
    if (reply) {
      box->handler.reset();
      if (!status) reply->send(answer_error(status.error()));
      reply.reset();
      return;
    }
    self->post([status](HttpConnection& connection) {
      if (connection.phase_ != Phase::kTaking) return;
      if (!status) return connection.fail(status.error());
      connection.phase_ = Phase::kBody;
      connection.read_body();
    });
  });
  if (reply) read();
}

void HttpConnection::release_handlers() {
  if (handler_) strand_.post([box = std::exchange(handler_, nullptr)] { box->handler.reset(); });
  if (websocket_handler_) strand_.post([box = std::exchange(websocket_handler_, nullptr)] { box->reset(); });
}

// A plain GET learns why an upgrade would be refused, or that it takes one.
void HttpConnection::open_websocket(const api::WebSocketRoute& route) {
  strand_ = Strand(context_.audio_pool);
  route_name_ = route.path;
  const bool is_upgrade = is_websocket_upgrade(head_);
  if (is_upgrade) {
    if (const Status status = check_websocket_handshake(head_); !status) return fail(status.error());
    if (!parser_->is_done()) return fail({ErrorCode::kBadRequest, "A WebSocket handshake has no body."});
  }
  phase_ = Phase::kOpening;
  websocket_handler_ = std::make_shared<std::unique_ptr<api::WebSocketHandler>>();
  strand_.post([self = shared_from_this(), &route, is_upgrade, strand = strand_, box = websocket_handler_,
                request = head_.request]() mutable {
    const Status status = guarded([&]() -> Status {
      STENOD_RETURN_IF_ERROR(authorise(self->context_, request, route.access));
      if (!is_upgrade) {
        if (route.check) STENOD_RETURN_IF_ERROR(route.check(request));
        return Error{ErrorCode::kUpgradeRequired, "This path speaks WebSocket."};
      }
      STENOD_ASSIGN_OR_RETURN(*box, route.open(request, strand));
      return {};
    });
    self->post([status](HttpConnection& connection) {
      if (connection.phase_ != Phase::kOpening) return;
      if (!status) return connection.fail(status.error());
      connection.become_websocket();
    });
  });
}

void HttpConnection::become_websocket() {
  if (is_reading_) {
    // The handshake came before the end of the answer to the request before it was noticed here.
    phase_ = Phase::kUpgrading;
    beast::error_code ignored;
    stream_->socket().cancel(ignored);
    return;
  }
  if (is_shutting_down_) return fail({ErrorCode::kShuttingDown, "The server is shutting down."});
  if (!received_.empty()) {
    head_.keep_alive = false;  // what follows are frames, whatever they look like
    return fail({ErrorCode::kBadRequest, "Nothing may follow a WebSocket handshake before its answer."});
  }
  phase_ = Phase::kClosing;
  read_timer_.cancel();
  context_.metrics.request_done(route_name_, 101, steady_clock::now() - started_);
  start_websocket(place_, std::move(*stream_), context_, strand_, std::exchange(websocket_handler_, nullptr), head_);
  stream_.reset();
  context_.table.remove(this);
}

// Answering

void HttpConnection::send(std::uint64_t number, api::HttpResponse response) {
  post_answer(number, [response = std::move(response)](HttpConnection& connection) mutable {
    connection.respond(std::move(response));
  });
}

void HttpConnection::begin(std::uint64_t number, api::HttpResponse head) {
  post_answer(number, [head = std::move(head)](HttpConnection& connection) mutable {
    connection.write_response_head(head, true);
  });
}

void HttpConnection::write(std::uint64_t number, std::string piece) {
  post_answer(number, [piece = std::move(piece)](HttpConnection& connection) mutable {
    const std::size_t size = piece.size();
    if (connection.head_.is_head || !has_body(connection.status_)) {
      connection.reply_state_->unsent_bytes -= size;
      return;
    }
    connection.enqueue(connection.is_chunked_ ? write_chunk(piece) : std::move(piece), size);
  });
}

void HttpConnection::finish(std::uint64_t number) {
  post_answer(number, [](HttpConnection& connection) {
    if (connection.is_chunked_ && !connection.head_.is_head) connection.enqueue(std::string(kLastChunk));
    connection.answer_complete_ = true;
    connection.end_answer();
  });
}

void HttpConnection::abandon(std::uint64_t number) {
  post_answer(number, [](HttpConnection& connection) { connection.close(false); });
}

void HttpConnection::fail(const Error& error) {
  log::debug("request of {}: {}: {}", peer_.to_string(), error_name(error.code), error.message);
  respond(answer_error_(error));
}

void HttpConnection::respond(api::HttpResponse response) {
  read_timer_.cancel();
  phase_ = Phase::kAnswer;
  release_handlers();
  write_response_head(response, false);
  answer_complete_ = true;
  end_answer();
}

void HttpConnection::write_response_head(api::HttpResponse& response, bool in_pieces) {
  // What is left of a body that nobody takes can't be told from the next request.
  keep_alive_ = head_.keep_alive && parser_->is_done() && !is_shutting_down_;
  ResponseFraming framing;
  framing.is_chunked = in_pieces && head_.is_http_1_1;
  framing.ends_at_close = in_pieces && !head_.is_http_1_1;
  framing.keep_alive = keep_alive_;
  framing.cors_origin = cors_origin_;
  std::string head = write_head(response, framing);
  status_ = response.status;
  is_chunked_ = framing.is_chunked && has_body(status_);
  const std::size_t counted = in_pieces ? response.body.size() : 0;
  if (head_.is_head || !has_body(status_)) response.body.clear();
  if (is_chunked_) response.body = write_chunk(response.body);
  if (response.body.size() <= kWriteBytes) {
    enqueue(head + response.body, counted);
  } else {
    enqueue(std::move(head));
    enqueue(std::move(response.body), counted);
  }
}

void HttpConnection::enqueue(std::string bytes, std::size_t counted) {
  outgoing_.push_back({std::move(bytes), counted});
  write_some();
}

void HttpConnection::write_some() {
  if (is_writing_ || outgoing_.empty() || phase_ == Phase::kClosing) return;
  is_writing_ = true;
  write_timer_.expires_after(limits_.write_timeout);
  write_timer_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (error || self->write_timer_.expiry() > steady_clock::now()) return;
    log::debug("connection with {}: it does not read its answer", self->peer_.to_string());
    self->close(false);
  });
  const std::string& bytes = outgoing_.front().bytes;
  const std::size_t size = std::min(bytes.size() - written_, kWriteBytes);
  stream_->async_write_some(asio::buffer(bytes.data() + written_, size),
                            beast::bind_front_handler(&HttpConnection::on_written, shared_from_this()));
}

void HttpConnection::on_written(beast::error_code error, std::size_t size) {
  is_writing_ = false;
  if (phase_ == Phase::kClosing) return close_when_idle();
  if (error) {
    log::debug("connection with {}: {}", peer_.to_string(), error.message());
    return close(false);
  }
  written_ += size;
  if (written_ == outgoing_.front().bytes.size()) {
    reply_state_->unsent_bytes -= outgoing_.front().counted;
    outgoing_.pop_front();
    written_ = 0;
  }
  if (!outgoing_.empty()) return write_some();
  write_timer_.cancel();
  end_answer();
}

void HttpConnection::end_answer() {
  if (!answer_complete_ || !outgoing_.empty() || phase_ != Phase::kAnswer) return;
  context_.metrics.request_done(route_name_, status_, steady_clock::now() - started_);
  if (!keep_alive_) return close(true);
  next_request();
}

// Time and the end

void HttpConnection::set_read_deadline(std::chrono::milliseconds after) {
  read_timer_.expires_after(after);
  read_timer_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (!error && self->read_timer_.expiry() <= steady_clock::now()) self->on_read_timeout();
  });
}

void HttpConnection::on_read_timeout() {
  switch (phase_) {
    case Phase::kHandshake:
      return close(false);
    case Phase::kHead:
      if (received_.empty()) return close(false);
      return fail({ErrorCode::kRequestTimeout, "The head did not arrive in time."});
    case Phase::kBody:
      return fail({ErrorCode::kRequestTimeout, "The body stopped arriving."});
    default:
      return;
  }
}

void HttpConnection::close(bool lingering) {
  if (phase_ == Phase::kClosing) {
    if (lingering || !stream_) return;
  }
  lingers_ = lingering;
  phase_ = Phase::kClosing;
  read_timer_.cancel();
  write_timer_.cancel();
  if (reply_state_) reply_state_->stop.request_stop();
  release_handlers();
  if (is_reading_ || is_writing_) {
    beast::error_code ignored;
    lingering ? stream_->socket().cancel(ignored) : stream_->socket().close(ignored);
  }
  close_when_idle();
}

void HttpConnection::close_when_idle() {
  if (is_reading_ || is_writing_ || !stream_) return;
  if (lingers_) LingeringClose::start(place_, std::move(*stream_), context_);
  stream_.reset();
  context_.table.remove(this);
}

}  // namespace stenod::server
