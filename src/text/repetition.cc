#include "text/repetition.h"

#include <cstddef>

namespace stenod::text {

std::optional<RepetitionDetector::Loop> RepetitionDetector::push(int token) {
  if (token >= first_special_token_) return std::nullopt;
  std::optional<Loop> loop;
  const int count = static_cast<int>(tokens_.size());
  for (int period = 1; period <= kMaxPeriod && period <= count; ++period) {
    int& matches = matches_[static_cast<std::size_t>(period)];
    matches = tokens_[static_cast<std::size_t>(count - period)] == token ? matches + 1 : 0;
    const int num_tokens = matches + period;
    if (!loop && num_tokens >= 16 + 4 * period) loop = Loop{period, num_tokens};
  }
  tokens_.push_back(token);
  return loop;
}

}  // namespace stenod::text
