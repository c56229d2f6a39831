#include "client/listen.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/json.h"

namespace stenod::client {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr int kNormalClosure = 1000;  // RFC 6455, 7.4.1

std::string start_message(const audio::StreamFormat& format) {
  return json::serialize(json::value{{"type", "start"},
                                     {"encoding", audio::stream_encoding_name(format.encoding)},
                                     {"sample_rate", format.sample_rate},
                                     {"channels", format.num_channels}});
}

std::string closure_message(const Closure& closure, const std::optional<Trouble>& trouble) {
  std::string text = closure.code == 0 ? fmt::format("the connection to the server broke ({})", closure.reason)
                                       : fmt::format("the server closed the connection ({}{}{})", closure.code,
                                                     closure.reason.empty() ? "" : " ", closure.reason);
  if (trouble) text += fmt::format(": {} ({})", trouble->message, trouble->code);
  return text;
}

/// Sends audio on a thread of its own.
class Sender {
 public:
  Sender(WebSocket& socket, AudioSource& source, double speed)
      : socket_(socket), source_(source), speed_(speed), thread_([this](const std::stop_token& over) {
          Status status = run(over);
          const std::lock_guard lock(mutex_);
          result_ = std::move(status);
        }) {}

  ~Sender() { source_.stop(); }

  double sent_s() const { return sent_s_; }

  /// Absent while there is more to send. What was sent last is `end`, also after a failure of the source.
  std::optional<Status> result() const {
    const std::lock_guard lock(mutex_);
    return result_;
  }

  /// Why the source gave no more, when that was no proper end.
  std::optional<Error> source_error() const {
    const std::lock_guard lock(mutex_);
    return source_error_;
  }

 private:
  /// `over`: nobody is interested any more.
  Status run(const std::stop_token& over) {
    const auto start = Clock::now();
    bool is_started = false;
    while (true) {
      const auto block = source_.read();
      if (!block) {
        const std::lock_guard lock(mutex_);
        source_error_ = block.error();
        break;
      }
      if (block->bytes.empty()) break;
      if (!std::exchange(is_started, true)) {
        STENOD_RETURN_IF_ERROR(socket_.send_text(start_message(source_.format()), over));
      }
      // As from a microphone: a block is there when its last sample has been spoken.
      const double due_s = source_.is_live() || speed_ == 0 ? 0 : (sent_s_ + block->duration_s) / speed_;
      sleep_until(start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due_s)));
      if (source_.stop_token().stop_requested()) break;
      STENOD_RETURN_IF_ERROR(socket_.send_binary(block->bytes, over));
      sent_s_ = sent_s_ + block->duration_s;
    }
    return socket_.send_text(R"({"type":"end"})", over);
  }

  void sleep_until(Clock::time_point time) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_until(lock, source_.stop_token(), time, [] { return false; });
  }

  WebSocket& socket_;
  AudioSource& source_;
  const double speed_;
  std::atomic<double> sent_s_ = 0;
  mutable std::mutex mutex_;
  std::optional<Status> result_;
  std::optional<Error> source_error_;
  std::jthread thread_;
};

}  // namespace

Result<ListenOutcome> listen(const ListenOptions& options, AudioSource& source, ListenObserver& observer,
                             const std::stop_token& stop) {
  STENOD_ASSIGN_OR_RETURN(const auto socket, WebSocket::connect(options.connection, stop));
  Sender sender(*socket, source, options.speed);
  const std::stop_callback on_stop(stop, [&] { source.stop(); });
  std::optional<Clock::time_point> give_up;
  std::optional<Trouble> trouble;
  while (true) {
    const auto now = Clock::now();
    const auto sent = sender.result();
    const auto source_error = sender.source_error();
    if ((stop.stop_requested() || source_error) && !give_up) give_up = now + options.grace;
    if (give_up && now >= *give_up) {
      if (source_error) return *source_error;
      return ListenOutcome::kCutShort;
    }
    if (sent && !*sent && sent->error().code != ErrorCode::kNetUnreachable) return sent->error();
    const Incoming incoming = socket->receive(now + kTick);
    if (incoming.kind == Incoming::Kind::kClosed) {
      if (incoming.closure.code == kNormalClosure && sent) break;  // a server that has no `end` message
      return Error{ErrorCode::kNetIncomplete, closure_message(incoming.closure, trouble)};
    }
    if (incoming.kind == Incoming::Kind::kMessage) {
      STENOD_ASSIGN_OR_RETURN(const LiveMessage message, parse_live_message(incoming.text));
      STENOD_RETURN_IF_ERROR(observer.on_message(message, incoming.text));
      if (const auto* said = std::get_if<Trouble>(&message); said != nullptr && said->is_error) trouble = *said;
      if (const auto* end = std::get_if<End>(&message)) {
        if (end->reason.empty() || end->reason == "end") break;
        return Error{ErrorCode::kNetIncomplete, fmt::format("the server ended the session: {}", end->reason)};
      }
    }
    observer.on_tick(sender.sent_s());
  }
  if (const auto source_error = sender.source_error()) return *source_error;
  return ListenOutcome::kComplete;
}

}  // namespace stenod::client
