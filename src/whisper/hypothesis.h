#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "text/repetition.h"
#include "whisper/sampling_rules.h"
#include "whisper/special_tokens.h"

namespace stenod::whisper {

enum class FinishReason {
  kEndOfText,
  kTokenLimit,
  kRepetition,  ///< caught in a loop; the repeats have been taken off again
};

/// What ends a window's text if nothing else does.
struct TextLimits {
  int max_tokens = 0;  ///< timestamps counted
  int max_text_tokens = std::numeric_limits<int>::max();
};

/// What has been written of one window so far, or could be: tokens with their log-probabilities.
class Hypothesis {
 public:
  /// `tokens` must outlive the hypothesis and its copies.
  explicit Hypothesis(const SpecialTokens& tokens) : special_(&tokens), repetition_(tokens.end_of_text) {}

  void reserve(int num_tokens);
  /// A token that is written whatever it leads to. Never the end of text.
  void force(const SampledToken& token);
  /// A token that was chosen. Says why the text ends with it, if it does: the end of text itself is counted but not
  /// kept, and of a loop the first copy is kept, and what was forced.
  std::optional<FinishReason> push(const SampledToken& token, const TextLimits& limits);

  const std::vector<int>& tokens() const { return tokens_; }        ///< text and timestamps
  const std::vector<float>& logprobs() const { return logprobs_; }  ///< of each of them
  float sum_logprob() const { return sum_logprob_; }                ///< of all, the end of text included
  /// sum_logprob() by token, the end of text counted, whether it was written or not.
  float avg_logprob() const { return sum_logprob_ / static_cast<float>(tokens_.size() + 1); }

  std::vector<int> take_tokens() { return std::move(tokens_); }
  std::vector<float> take_logprobs() { return std::move(logprobs_); }

 private:
  void append(const SampledToken& token);
  void take_off_repeats(const text::RepetitionDetector::Loop& loop);

  const SpecialTokens* special_;
  text::RepetitionDetector repetition_;
  std::vector<int> tokens_;
  std::vector<float> logprobs_;
  float sum_logprob_ = 0;
  std::size_t num_forced_ = 0;
  int num_text_tokens_ = 0;
};

}  // namespace stenod::whisper
