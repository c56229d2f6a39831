#include "live/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace stenod::live {

void Ledger::add(Interval interval) {
  if (interval.begin >= interval.end) return;
  // Answers of the engine may come behind silence that was noticed later, so the place is near the end, not at it.
  auto at = intervals_.end();
  while (at != intervals_.begin() && std::prev(at)->begin > interval.begin) --at;
  if (at != intervals_.begin()) {
    Interval& before = *std::prev(at);
    if (before.end == interval.begin && before.kind == interval.kind && before.reason == interval.reason) {
      before.end = interval.end;
      return;
    }
  }
  intervals_.insert(at, std::move(interval));
}

Status Ledger::check(std::int64_t num_samples) const {
  std::int64_t at = 0;
  for (const Interval& interval : intervals_) {
    if (interval.begin != at) {
      return Error{ErrorCode::kInternal,
                   fmt::format("samples [{}, {}) are accounted for {}", std::min(at, interval.begin),
                               std::max(at, interval.begin), interval.begin < at ? "twice" : "never")};
    }
    at = interval.end;
  }
  if (at != num_samples) {
    return Error{ErrorCode::kInternal, fmt::format("{} samples are accounted for, {} were received", at, num_samples)};
  }
  return {};
}

LedgerTotals Ledger::totals(std::int64_t num_samples, std::int64_t num_frames) const {
  const double ratio = num_samples > 0 ? static_cast<double>(num_frames) / static_cast<double>(num_samples) : 0;
  const auto frame_of = [&](std::int64_t sample) {  // never falling, and exact at both ends
    return sample >= num_samples ? num_frames : std::llround(ratio * static_cast<double>(sample));
  };
  LedgerTotals totals;
  totals.received = num_frames;
  for (const Interval& interval : intervals_) {
    const std::int64_t frames = frame_of(interval.end) - frame_of(interval.begin);
    switch (interval.kind) {
      case Kind::kTranscribed:
        totals.transcribed += frames;
        break;
      case Kind::kSilence:
        totals.silence += frames;
        break;
      case Kind::kDropped:
        totals.dropped[interval.reason] += frames;
        break;
    }
  }
  return totals;
}

}  // namespace stenod::live
