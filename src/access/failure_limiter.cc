#include "access/failure_limiter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

namespace stenod::access {

std::optional<std::chrono::seconds> FailureLimiter::fail(const IpAddress& client,
                                                         std::chrono::system_clock::time_point now) {
  const std::string who = client.subscriber().to_string() + '/' + std::to_string(seed_);
  Place& place = places_[std::hash<std::string>()(who) % kNumPlaces];
  const double refill_s = std::chrono::duration<double>(kRefill).count();
  const double passed_s = std::chrono::duration<double>(now - place.at).count();  // negative when a clock was put back
  place.used = std::max(0.0, place.used - std::max(0.0, passed_s) / refill_s);
  place.at = now;
  if (place.used + 1 > kBurst) {
    return std::chrono::seconds(static_cast<std::int64_t>(std::ceil((place.used + 1 - kBurst) * refill_s)));
  }
  place.used += 1;
  return std::nullopt;
}

}  // namespace stenod::access
