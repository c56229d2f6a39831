#include "whisper/hypothesis.h"

#include <numeric>

namespace stenod::whisper {

void Hypothesis::reserve(int num_tokens) {
  tokens_.reserve(static_cast<std::size_t>(num_tokens));
  logprobs_.reserve(static_cast<std::size_t>(num_tokens));
}

void Hypothesis::append(const SampledToken& token) {
  tokens_.push_back(token.token);
  logprobs_.push_back(token.logprob);
  sum_logprob_ += token.logprob;
  num_text_tokens_ += special_->is_text(token.token) ? 1 : 0;
}

void Hypothesis::force(const SampledToken& token) {
  append(token);
  repetition_.push(token.token);
  num_forced_ = tokens_.size();
}

std::optional<FinishReason> Hypothesis::push(const SampledToken& token, const TextLimits& limits) {
  if (token.token == special_->end_of_text) {
    sum_logprob_ += token.logprob;
    return FinishReason::kEndOfText;
  }
  append(token);
  if (const auto loop = repetition_.push(token.token)) {
    take_off_repeats(*loop);
    return FinishReason::kRepetition;
  }
  if (static_cast<int>(tokens_.size()) >= limits.max_tokens || num_text_tokens_ >= limits.max_text_tokens) {
    return FinishReason::kTokenLimit;
  }
  return std::nullopt;
}

void Hypothesis::take_off_repeats(const text::RepetitionDetector::Loop& loop) {
  int surplus = loop.num_tokens - loop.period;
  for (; surplus > 0 && tokens_.size() > num_forced_; tokens_.pop_back()) {
    surplus -= special_->is_text(tokens_.back()) ? 1 : 0;
  }
  logprobs_.resize(tokens_.size());
  sum_logprob_ = std::accumulate(logprobs_.begin(), logprobs_.end(), 0.0f);
}

}  // namespace stenod::whisper
