#pragma once

#include <chrono>
#include <functional>
#include <mutex>

namespace stenod::live {

/// Seconds that the engine has worked for live requests since its start.
struct LiveWork {
  double finals_s = 0;
  double partials_s = 0;
};

/// Keeps the engine from spending all its time on partials: when they and finals make it busy, their interval grows for
/// everybody, and it shrinks again when there is time. What finals need is left alone; where that would be more than
/// the engine has, no further session is taken.
///
/// Any thread may call.
class Pacer {
 public:
  using Clock = std::chrono::steady_clock;

  /// `work` must be quick. `expected_share`: of the engine's time, what a session is thought to need before any was
  /// measured.
  explicit Pacer(std::function<LiveWork()> work, double expected_share = 0)
      : work_(std::move(work)), expected_share_(expected_share) {}

  /// By how much the interval of partials is stretched, at least 1. Looks at the engine four times a second at most.
  double stretch(Clock::time_point now);

  /// Whether finals would still be in time with one more session. `num_sessions` are open; of them `num_unseen` have
  /// come so lately that what they need is not seen yet: see unseen(). A first session always has room.
  bool has_room(int num_sessions, double num_unseen, Clock::time_point now);
  /// How much of what a session needs is not seen yet when it has been there for so long: 1 at first, then less as the
  /// average over kMeasured takes it in.
  static double unseen(Clock::duration age);
  static constexpr std::chrono::seconds kMeasured{10};

  /// The share of time for which the engine has worked lately, 0 to 1.
  double busy_share(Clock::time_point now);

  static constexpr double kMaxStretch = 5;

 private:
  void look(Clock::time_point now);

  /// Partials are as rare as they get, and the engine is busy all the same.
  bool is_saturated() const { return stretch_ >= kMaxStretch && share_ > kTooBusy; }

  // The share of time from which on partials are made rarer: what is left keeps finals from waiting for long.
  static constexpr double kTooBusy = 0.8;

  const std::function<LiveWork()> work_;
  const double expected_share_;
  std::mutex mutex_;
  Clock::time_point looked_at_ = Clock::time_point::min();
  LiveWork before_;
  double share_ = 0;
  double needed_share_ = 0;  ///< what would remain if partials were as rare as they get
  double stretch_ = 1;
};

}  // namespace stenod::live
