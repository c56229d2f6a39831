#include "live/pacer.h"

#include <algorithm>

namespace stenod::live {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(250);
// The share of time up to which partials may fill the engine, and from which on they are made rarer: what is left keeps
// finals from waiting for long.
constexpr double kIdleEnough = 0.65;
constexpr double kTooBusy = 0.8;
constexpr double kGrow = 1.25, kShrink = 0.9;

}  // namespace

void Pacer::look(Clock::time_point now) {
  if (looked_at_ != Clock::time_point::min() && now - looked_at_ < kLookEvery) return;
  const double busy = busy_s_();
  if (looked_at_ != Clock::time_point::min()) {
    const double passed = std::chrono::duration<double>(now - looked_at_).count();
    // A share over about a second: one look sees one or two groups of windows.
    const double latest = std::clamp((busy - busy_before_s_) / passed, 0.0, 1.0);
    const double weight = std::min(1.0, passed / 1.0);
    share_ += weight * (latest - share_);
    if (share_ > kTooBusy) stretch_ = std::min(kMaxStretch, stretch_ * kGrow);
    if (share_ < kIdleEnough) stretch_ = std::max(1.0, stretch_ * kShrink);
  }
  looked_at_ = now;
  busy_before_s_ = busy;
}

double Pacer::stretch(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  return stretch_;
}

bool Pacer::is_saturated(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  return stretch_ >= kMaxStretch && share_ > kTooBusy;
}

double Pacer::busy_share(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  return share_;
}

}  // namespace stenod::live
