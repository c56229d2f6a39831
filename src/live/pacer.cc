#include "live/pacer.h"

#include <algorithm>
#include <cmath>

namespace stenod::live {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(250);
// The share of time up to which partials may fill the engine.
constexpr double kIdleEnough = 0.65;
constexpr double kGrow = 1.25, kShrink = 0.9;
// By how much stretching makes partials cheaper at most: those of an utterance that is new go on.
constexpr double kMostRelief = 2.5;
// What so many sessions are seen to need counts as much as what was expected; less of them say nothing.
constexpr double kEnoughSessions = 4;
// Before that a session needs next to nothing.
constexpr double kFirstWork_s = 1.5;

double weight_of(double passed_s, double over_s) { return std::min(1.0, passed_s / over_s); }

}  // namespace

void Pacer::look(Clock::time_point now) {
  if (looked_at_ != Clock::time_point::min() && now - looked_at_ < kLookEvery) return;
  const LiveWork work = work_();
  if (looked_at_ != Clock::time_point::min()) {
    const double passed = std::chrono::duration<double>(now - looked_at_).count();
    // A share over about a second: one look sees one or two groups of windows.
    const double finals = (work.finals_s - before_.finals_s) / passed;
    const double partials = (work.partials_s - before_.partials_s) / passed;
    share_ += weight_of(passed, 1) * (std::clamp(finals + partials, 0.0, 1.0) - share_);
    const double needed = std::clamp(finals + partials * std::min(stretch_, kMostRelief) / kMostRelief, 0.0, 1.0);
    needed_share_ += weight_of(passed, std::chrono::duration<double>(kMeasured).count()) * (needed - needed_share_);
    if (share_ > kTooBusy) stretch_ = std::min(kMaxStretch, stretch_ * kGrow);
    if (share_ < kIdleEnough) stretch_ = std::max(1.0, stretch_ * kShrink);
  }
  looked_at_ = now;
  before_ = work;
}

double Pacer::stretch(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  return stretch_;
}

double Pacer::unseen(Clock::duration age) {
  const double age_s = std::chrono::duration<double>(age).count();
  return std::exp(-std::max(0.0, age_s - kFirstWork_s) / std::chrono::duration<double>(kMeasured).count());
}

bool Pacer::has_room(int num_sessions, double num_unseen, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  if (num_sessions == 0) return true;
  const double num_seen = num_sessions - num_unseen;
  double each = expected_share_;
  if (num_seen >= kEnoughSessions) {
    // Sessions that are silent now say little about one that speaks.
    const double observed = std::max(needed_share_ / num_seen, expected_share_ / 4);
    each += num_seen / (num_seen + kEnoughSessions) * (observed - expected_share_);
  }
  // What is seen where all have come just now is the work of others, who have left.
  const double seen_share = num_seen < 1 ? 0 : needed_share_;
  return !is_saturated() && seen_share + each * (num_unseen + 1) <= kTooBusy;
}

double Pacer::busy_share(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  look(now);
  return share_;
}

}  // namespace stenod::live
