#pragma once

#include <chrono>
#include <functional>
#include <mutex>

namespace stenod::live {

/// Keeps the engine from spending all its time on partials: when they and finals make it busy, their interval grows for
/// everybody, and it shrinks again when there is time. What finals need is left alone.
///
/// Any thread may call.
class Pacer {
 public:
  using Clock = std::chrono::steady_clock;

  /// `busy_s`: seconds that the engine has worked for live requests since its start; must be quick.
  explicit Pacer(std::function<double()> busy_s) : busy_s_(std::move(busy_s)) {}

  /// By how much the interval of partials is stretched, at least 1. Looks at the engine four times a second at most.
  double stretch(Clock::time_point now);

  /// The engine can carry no more streams: it is busy although partials are as rare as they get.
  bool is_saturated(Clock::time_point now);

  /// The share of time for which the engine has worked lately, 0 to 1.
  double busy_share(Clock::time_point now);

  static constexpr double kMaxStretch = 5;

 private:
  void look(Clock::time_point now);

  const std::function<double()> busy_s_;
  std::mutex mutex_;
  Clock::time_point looked_at_ = Clock::time_point::min();
  double busy_before_s_ = 0;
  double share_ = 0;
  double stretch_ = 1;
};

}  // namespace stenod::live
