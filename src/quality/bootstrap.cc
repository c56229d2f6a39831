#include "quality/bootstrap.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <random>

namespace stenod::quality {
namespace {

/// Adds recordings up.
class Sum {
 public:
  void add(const Share& share) {
    errors_ += static_cast<double>(share.errors);
    total_ += static_cast<double>(share.total);
  }
  double rate() const { return total_ > 0 ? errors_ / total_ : 0; }

 private:
  double errors_ = 0, total_ = 0;
};

/// Draws positions from 0 to below `count`. By hand, for the standard's distributions differ between libraries.
class Draw {
 public:
  explicit Draw(std::size_t count) : count_(count) {}
  std::size_t next() { return static_cast<std::size_t>(((generator_() >> 32) * count_) >> 32); }

 private:
  std::mt19937_64 generator_{kBootstrapSeed};
  std::uint64_t count_;
};

Interval middle_of(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace

double rate_of(std::span<const Share> shares) {
  Sum sum;
  for (const Share& share : shares) sum.add(share);
  return sum.rate();
}

std::optional<Interval> bootstrap_interval(std::span<const Share> shares) {
  if (shares.size() < 2) return std::nullopt;
  Draw draw(shares.size());
  std::vector<double> rates(kBootstrapDraws);
  for (double& rate : rates) {
    Sum sum;
    for (std::size_t i = 0; i < shares.size(); ++i) sum.add(shares[draw.next()]);
    rate = sum.rate();
  }
  return middle_of(rates);
}

PairedDifference paired_bootstrap(std::span<const Share> first, std::span<const Share> second) {
  assert(first.size() == second.size());
  PairedDifference out;
  out.difference = rate_of(second) - rate_of(first);
  if (first.size() < 2) return out;
  Draw draw(first.size());
  std::vector<double> differences(kBootstrapDraws);
  int num_elsewhere = 0;
  for (double& difference : differences) {
    Sum first_sum, second_sum;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const std::size_t at = draw.next();
      first_sum.add(first[at]);
      second_sum.add(second[at]);
    }
    difference = second_sum.rate() - first_sum.rate();
    const bool is_there = out.difference < 0 ? difference < 0 : out.difference > 0 && difference > 0;
    if (!is_there) ++num_elsewhere;
  }
  out.interval = middle_of(differences);
  out.p = std::min(1.0, 2.0 * num_elsewhere / kBootstrapDraws);
  return out;
}

double quantile(std::span<const double> sorted, double fraction) {
  assert(!sorted.empty());
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace stenod::quality
