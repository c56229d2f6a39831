#include "whisper/branch_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace stenod::whisper {

BranchSearch::BranchSearch(const SamplingRules& rules, const SearchOptions& search, float temperature,
                           const TextLimits& limits)
    : rules_(rules),
      limits_(limits),
      temperature_(temperature),
      length_penalty_(search.length_penalty),
      width_(static_cast<std::size_t>(search.width_at(temperature))),
      max_ended_(temperature > 0
                     ? static_cast<int>(width_)
                     : std::max(1, static_cast<int>(std::lround(static_cast<float>(width_) * search.patience)))),
      // Each temperature has its own numbers, so that a second attempt is not the first one warmed up.
      random_(search.seed * 1000003 + static_cast<std::uint64_t>(std::lround(1000 * temperature))) {
  live_.reserve(width_);
  next_.reserve(width_);
  rows_.reserve(width_);
  parents_.reserve(width_ + 1);
}

Status BranchSearch::begin(const Hypothesis& written, int position, std::span<float> logits) {
  position_ = position;
  live_.assign(1, written);
  proposals_.clear();
  STENOD_RETURN_IF_ERROR(propose(0, logits));
  go_on();
  return {};
}

Status BranchSearch::accept(const LogitsOf& logits_of) {
  position_ = rows_.front().position;
  proposals_.clear();
  for (std::size_t i = 0; i < live_.size(); ++i) {
    STENOD_RETURN_IF_ERROR(propose(i, logits_of(static_cast<int>(i))));
  }
  go_on();
  return {};
}

Status BranchSearch::propose(std::size_t branch, std::span<float> logits) {
  const Hypothesis& hypothesis = live_[branch];
  const auto add = [&](const SampledToken& token) {
    proposals_.push_back({branch, token, hypothesis.sum_logprob() + token.logprob});
  };
  if (temperature_ > 0) {
    // Samples start as one and the same hypothesis.
    const std::size_t count = live_.size() == 1 && num_ended_ == 0 ? width_ : 1;
    for (std::size_t i = 0; i < count; ++i) {
      // 53 bits: every value is a double below 1. The distributions of the standard library differ between libraries.
      const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;
      add(rules_.draw(hypothesis.tokens(), logits, temperature_, uniform));
    }
  } else {
    std::array<SampledToken, SamplingRules::kMaxRanked> best;
    const std::size_t count = rules_.rank(hypothesis.tokens(), logits, std::span(best).first(width_ + 1));
    for (std::size_t i = 0; i < count; ++i) add(best[i]);
    if (count == 0) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  }
  if (std::isnan(proposals_.back().sum_logprob)) {
    return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  }
  return {};
}

void BranchSearch::go_on() {
  if (temperature_ == 0) {
    std::stable_sort(proposals_.begin(), proposals_.end(),
                     [](const Proposal& a, const Proposal& b) { return a.sum_logprob > b.sum_logprob; });
  }
  next_.clear();
  parents_.clear();
  std::size_t num_taken = 0;  // that are not the end of text: what a beam is made of
  for (const Proposal& proposal : proposals_) {
    if (num_taken == width_) break;
    Hypothesis hypothesis = live_[proposal.parent];
    const auto parent = static_cast<int>(proposal.parent);
    const auto finish = hypothesis.push(proposal.token, limits_);
    num_taken += finish == FinishReason::kEndOfText && temperature_ == 0 ? 0 : 1;
    if (finish) {
      if (num_ended_ < max_ended_) end(std::move(hypothesis), *finish, parent);
    } else {
      next_.push_back(std::move(hypothesis));
      parents_.push_back(parent);
    }
  }
  live_.swap(next_);
  rows_.clear();
  if (num_ended_ >= max_ended_ || live_.empty()) {  // what has ended stays where it is
    parents_.clear();
    return;
  }
  for (std::size_t i = 0; i < live_.size(); ++i) {
    rows_.push_back({live_[i].tokens().back(), position_ + 1, true, static_cast<int>(i)});
  }
  if (best_) parents_.push_back(std::exchange(best_->branch, static_cast<int>(live_.size())));
  const auto num_branches = static_cast<int>(parents_.size());
  bool all_go_on = num_branches == num_branches_;
  for (int i = 0; i < num_branches; ++i) all_go_on = all_go_on && parents_[static_cast<std::size_t>(i)] == i;
  if (all_go_on) parents_.clear();
  num_branches_ = num_branches;
}

void BranchSearch::end(Hypothesis hypothesis, FinishReason reason, int branch) {
  ++num_ended_;
  if (best_ && score(best_->hypothesis) >= score(hypothesis)) return;
  best_ = Outcome{std::move(hypothesis), reason, branch};
}

float BranchSearch::score(const Hypothesis& hypothesis) const {
  return hypothesis.sum_logprob() / std::pow(static_cast<float>(hypothesis.tokens().size() + 1), length_penalty_);
}

}  // namespace stenod::whisper
