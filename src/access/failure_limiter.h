#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/ip_address.h"

namespace stenod::access {

/// Counts wrong credentials by client address: a few at once, then one now and then (a token bucket). Used by one
/// thread at a time.
///
/// The table has a fixed size, whatever addresses come: addresses that share a place share its allowance. That is
/// harmless, for right credentials never get here.
class FailureLimiter {
 public:
  static constexpr int kBurst = 10;
  static constexpr std::chrono::seconds kRefill{6};  ///< for one more
  static constexpr std::size_t kNumPlaces = 4096;

  /// `seed`: random, so that nobody can choose an address for the place of another.
  explicit FailureLimiter(std::uint64_t seed) : seed_(seed) {}

  /// Counts a failure. A value: there were too many; how long to wait for the next.
  std::optional<std::chrono::seconds> fail(const IpAddress& client, std::chrono::system_clock::time_point now);

 private:
  struct Place {
    double used = 0;  ///< of kBurst
    std::chrono::system_clock::time_point at;
  };
  std::uint64_t seed_;
  std::array<Place, kNumPlaces> places_ = {};
};

}  // namespace stenod::access
