#include "transcribe/engine_call.h"

#include <thread>
#include <utility>

namespace stenod::transcribe {

Result<std::shared_ptr<EngineCall>> EngineCall::start(engine::Engine& engine, engine::Request request) {
  const auto call = std::make_shared<EngineCall>();
  request.on_encoded = [call] { call->is_encoded_ = true; };
  STENOD_RETURN_IF_ERROR(engine.submit(std::move(request), [call](Result<engine::WindowResult> result) {
    {
      const std::lock_guard lock(call->mutex_);
      call->outcome_ = std::move(result);
    }
    call->changed_.notify_all();
  }));
  return call;
}

Result<std::shared_ptr<EngineCall>> EngineCall::start_patiently(engine::Engine& engine, const engine::Request& request,
                                                                const std::stop_token& stop) {
  while (true) {
    auto call = start(engine, request);
    if (call || call.error().code != ErrorCode::kOverloaded) return call;
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
    std::this_thread::sleep_for(kRetryAfter);
  }
}

bool EngineCall::is_done() const {
  const std::lock_guard lock(mutex_);
  return outcome_.has_value();
}

std::optional<Result<engine::WindowResult>> EngineCall::take(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return outcome_.has_value(); });
  return std::exchange(outcome_, std::nullopt);
}

}  // namespace stenod::transcribe
