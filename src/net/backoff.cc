#include "net/backoff.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <utility>

namespace stenod::net {
namespace {

constexpr std::chrono::milliseconds kLongestOwnWait{30000};

bool is_transient(ErrorCode code, int status) {
  switch (code) {
    case ErrorCode::kNetUnreachable:
    case ErrorCode::kNetTimeout:
    case ErrorCode::kNetIncomplete:
      return true;
    case ErrorCode::kNetHttpStatus:
      return status == 408 || status == 429 || (status >= 500 && status < 600);
    default:
      return false;
  }
}

/// Between three quarters of `wait` and all of it, so that several that failed together don't come back together.
std::chrono::milliseconds jittered(std::chrono::milliseconds wait) {
  thread_local std::minstd_rand generator(std::random_device{}());
  return wait * std::uniform_int_distribution(75, 100)(generator) / 100;
}

}  // namespace

Status Backoff::wait(Error failure, const HttpHead& answer, bool has_helped, const std::stop_token& stop) {
  if (!is_transient(failure.code, answer.status)) return failure;
  num_failures_ = has_helped ? 0 : num_failures_ + 1;
  if (num_failures_ >= options_.max_failures) return failure;
  const int num_doublings = std::clamp(num_failures_ - 1, 0, 10);
  std::chrono::milliseconds wait = jittered(std::min(options_.first_wait * (1 << num_doublings), kLongestOwnWait));
  if (const auto asked = answer.retry_after(); asked && failure.code == ErrorCode::kNetHttpStatus) {
    if (*asked > options_.max_asked_wait) {
      failure.message += fmt::format(" and asks to wait for {} s: try again then", asked->count());
      failure.retry_after = *asked;
      return failure;
    }
    wait = std::max<std::chrono::milliseconds>(wait, *asked);
  }
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, wait, [] { return false; });
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "the download was cancelled"};
  return {};
}

}  // namespace stenod::net
