#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "models/download.h"
#include "models/pull.h"

namespace stenod::models {

/// Adds up what the downloads of one pull report.
class PullMeter {
 public:
  PullMeter(std::uint64_t total, const OnPullProgress& on_progress) : on_progress_(on_progress) {
    progress_.bytes_total = total;
  }

  /// `bytes` that were there before this call don't count as speed: the first report of each download.
  OnBytes for_download() {
    return [this, is_first = true](std::int64_t bytes) mutable {
      progress_.bytes_done += static_cast<std::uint64_t>(bytes);
      if (!std::exchange(is_first, false)) received_ += static_cast<double>(bytes);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
      progress_.bytes_per_second = seconds > 0 && received_ > 0 ? received_ / seconds : 0;
      if (on_progress_) on_progress_(progress_);
    };
  }

 private:
  const OnPullProgress& on_progress_;
  PullProgress progress_;
  double received_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace stenod::models
