#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stenod::quality {

// How sure an error rate is that was measured on some recordings: they are drawn again, with replacement, many times,
// and the rate of each draw is its errors over its words (Bisani & Ney, "Bootstrap estimates for confidence intervals
// in ASR performance evaluation", ICASSP 2004). The same draws every time and everywhere.

inline constexpr int kBootstrapDraws = 2000;
inline constexpr std::uint64_t kBootstrapSeed = 20260101;

/// What one recording adds to a rate. Of all together, `total` is positive.
struct Share {
  std::size_t errors = 0, total = 0;
};

/// The middle 95 % of the draws.
struct Interval {
  double low = 0, high = 0;
};

double rate_of(std::span<const Share> shares);

/// Nothing for less than two recordings.
std::optional<Interval> bootstrap_interval(std::span<const Share> shares);

struct PairedDifference {
  double difference = 0;             ///< the second rate minus the first
  std::optional<Interval> interval;  ///< nothing for less than two recordings
  /// Twice the share of draws, at most 1, in which the difference is not on the side on which it was measured: read as
  /// a two-sided p-value.
  double p = 1;
};

/// Of two results on the same recordings, in the same order: each draw takes the same recordings of both.
PairedDifference paired_bootstrap(std::span<const Share> first, std::span<const Share> second);

/// The value below which `fraction` of the sorted values lie, interpolated. Precondition: there are some.
double quantile(std::span<const double> sorted, double fraction);

}  // namespace stenod::quality
