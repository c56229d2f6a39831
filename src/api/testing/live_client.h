#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/live_service.h"
#include "api/websocket.h"
#include "base/json.h"
#include "base/thread_pool.h"

namespace stenod::api::testing {

/// Keeps what a handler does with its client. As the server does, it closes once, and sends nothing after that.
class RecordedPeer : public WebSocketPeer {
 public:
  struct Close {
    int code = 0;
    std::string reason;
  };

  void send_text(std::string message) override {
    if (closed) {
      ++num_after_close;
    } else {
      sent.push_back(std::move(message));
    }
  }
  void read_next() override { ++num_reads; }
  void close(int code, std::string reason) override {
    if (closed) {
      ++num_after_close;
    } else {
      closed = Close{code, std::move(reason)};
    }
  }

  std::vector<std::string> sent;
  std::optional<Close> closed;
  int num_reads = 0;
  int num_after_close = 0;  ///< calls that the server would ignore
};

/// A client of the live protocol without a socket: one upgrade of `service`, on a strand of its own. Calls return when
/// the handler, and what it posted, has run.
class LiveClient {
 public:
  using Clock = std::chrono::steady_clock;

  LiveClient(LiveService& service, HttpRequest request) {
    on_strand([&] {
      auto opened = service.open(request, strand_);
      if (!opened) {
        refusal = opened.error();
        return;
      }
      handler_ = std::move(*opened);
      handler_->on_open(peer);
    });
  }
  ~LiveClient() { leave(); }

  bool is_open() const { return handler_ != nullptr; }
  /// Whether the handler has asked for a message and may be given one.
  bool is_heard() const { return handler_ && !peer->closed && peer->num_reads > num_messages_; }
  /// These return false, and do nothing, unless is_heard().
  bool send(std::string text) {
    return deliver([&] { handler_->on_text(std::move(text)); });
  }
  bool send(std::span<const std::byte> bytes) {
    return deliver([&] { handler_->on_binary({bytes.begin(), bytes.end()}); });
  }
  bool send(const std::vector<std::int16_t>& samples) { return send(std::as_bytes(std::span(samples))); }

  void tick(Clock::time_point now) {
    on_strand([&] {
      if (handler_ && !peer->closed) handler_->on_tick(now);
    });
  }
  void shut_down(Clock::time_point deadline) {
    on_strand([&] {
      if (handler_ && !peer->closed) handler_->on_shutdown(deadline);
    });
  }
  /// The connection is over, whoever ended it. The handler is gone then.
  void leave(const std::string& why = "gone") {
    on_strand([&] {
      if (handler_) handler_->on_closed(why);
      handler_.reset();
    });
  }
  /// Runs what others have posted.
  void settle() {
    on_strand([] {});
  }

  std::shared_ptr<RecordedPeer> peer = std::make_shared<RecordedPeer>();
  std::optional<Error> refusal;

 private:
  bool deliver(const std::function<void()>& message) {
    if (!is_heard()) return false;
    ++num_messages_;
    on_strand(message);
    return true;
  }
  void on_strand(const std::function<void()>& task) {
    // An answer of the engine may lead to a second request, and that to another answer; a long message is taken in
    // slices.
    constexpr int kRounds = 16;
    for (int round = 0; round < kRounds; ++round) {
      std::promise<void> done;
      strand_.post([&] {
        if (round == 0) task();
        done.set_value();
      });
      done.get_future().get();
    }
  }

  ThreadPool pool_{1};
  const Strand strand_{pool_};
  std::unique_ptr<WebSocketHandler> handler_;
  int num_messages_ = 0;
};

}  // namespace stenod::api::testing
