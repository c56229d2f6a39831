#include "text/repetition.h"

#include <cstddef>

namespace stenod::text {

std::optional<RepetitionDetector::Loop> RepetitionDetector::push(int token) {
  if (token >= first_special_token_) return std::nullopt;
  std::optional<Loop> loop;
  const auto recent = [this](int index) -> int& { return recent_[static_cast<std::size_t>(index % kMaxPeriod)]; };
  for (int period = 1; period <= kMaxPeriod && period <= count_; ++period) {
    int& matches = matches_[static_cast<std::size_t>(period)];
    matches = recent(count_ - period) == token ? matches + 1 : 0;
    const int num_tokens = matches + period;
    if (!loop && num_tokens >= 16 + 4 * period) loop = Loop{period, num_tokens};
  }
  recent(count_++) = token;
  return loop;
}

}  // namespace stenod::text
