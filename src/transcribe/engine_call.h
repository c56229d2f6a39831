#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/result.h"
#include "engine/engine.h"

namespace stenod::transcribe {

/// One window's way through the engine. Shared with the engine's callbacks, which may come after the caller has given
/// it up.
class EngineCall {
 public:
  /// Errors are those of Engine::submit(). Sets the request's `on_encoded`.
  static Result<std::shared_ptr<EngineCall>> start(engine::Engine& engine, engine::Request request);
  /// The same, but an engine whose queue is full is asked again. Error besides: kCancelled, after a stop.
  static Result<std::shared_ptr<EngineCall>> start_patiently(engine::Engine& engine, const engine::Request& request,
                                                             const std::stop_token& stop);

  bool is_encoded() const { return is_encoded_; }
  bool is_done() const;
  /// The engine's answer, once, which always comes; absent when it takes longer than `most`.
  std::optional<Result<engine::WindowResult>> take(std::chrono::milliseconds most);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Result<engine::WindowResult>> outcome_;
  std::atomic<bool> is_encoded_ = false;
};

/// How long to leave an engine alone whose queue is full of others' work.
inline constexpr auto kRetryAfter = std::chrono::milliseconds(20);

}  // namespace stenod::transcribe
