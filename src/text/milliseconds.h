#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stenod::text {

/// No time that is written is later.
inline constexpr double kMaxSeconds = 3600.0 * 9999;

/// Rounded; what is negative or no number is 0.
inline std::int64_t to_ms(double seconds) {
  return std::llround(std::fmin(std::fmax(0.0, seconds), kMaxSeconds) * 1000);
}

struct IntervalMs {
  std::int64_t start = 0;
  std::int64_t end = 0;

  bool operator==(const IntervalMs&) const = default;
};

/// Of something with `start` and `end` in seconds; an end before the start becomes the start.
template <typename T>
IntervalMs interval_ms(const T& timed) {
  const std::int64_t start = to_ms(timed.start);
  return {start, std::max(start, to_ms(timed.end))};
}

}  // namespace stenod::text
