#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "api/http.h"

namespace stenod::api::testing {

/// Keeps the answer of a handler. Any thread.
class RecordedReply : public HttpReply {
 public:
  void send(HttpResponse response) override {
    set([&] {
      num_answers_ += 1;
      response_ = std::move(response);
      done_ = true;
    });
  }
  void begin(HttpResponse head) override {
    set([&] {
      num_answers_ += 1;
      response_ = std::move(head);
    });
  }
  bool write(std::string piece) override {
    set([&] { response_->body += piece; });
    return !is_gone_;
  }
  void finish() override {
    set([&] { done_ = true; });
  }
  std::stop_token stop() const override { return stop_.get_token(); }

  /// The client leaves.
  void leave() { stop_.request_stop(); }
  /// The client reads no more.
  void block() {
    set([&] { is_gone_ = true; });
  }

  /// The whole answer; after a minute without one, or with several, status 0.
  HttpResponse wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::minutes(1), [this] { return done_; });
    return done_ && num_answers_ == 1 ? *response_ : HttpResponse{.status = 0, .body = "no answer, or several"};
  }
  /// Whether `text` has come, within a minute.
  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&] { return response_ && response_->body.find(text) != std::string::npos; });
  }
  bool has_answer() {
    const std::lock_guard lock(mutex_);
    return response_.has_value();
  }

 private:
  template <typename Change>
  void set(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<HttpResponse> response_;
  int num_answers_ = 0;
  bool done_ = false;
  std::atomic<bool> is_gone_ = false;
  std::stop_source stop_;
};

/// Sends a whole request to a route as the server does: its error is the answer.
inline std::shared_ptr<RecordedReply> call(const Route& route, HttpRequest request, const std::string& body,
                                           std::size_t piece = 1 << 16) {
  auto reply = std::make_shared<RecordedReply>();
  auto handler = route.open(request);
  if (!handler) {
    reply->send(route.answer_error(handler.error()));
    return reply;
  }
  for (std::size_t at = 0; at < body.size(); at += piece) {
    const Status taken =
        (*handler)->take(std::as_bytes(std::span(body).subspan(at, std::min(piece, body.size() - at))));
    if (!taken) {
      reply->send(route.answer_error(taken.error()));
      return reply;
    }
  }
  (*handler)->complete(reply);
  return reply;
}

}  // namespace stenod::api::testing
