#pragma once

#include <memory>
#include <span>

#include "whisper/decoding_options.h"
#include "whisper/logits.h"
#include "whisper/special_tokens.h"

namespace stenod::whisper {

struct SampledToken {
  int token;
  float logprob;  ///< after the rules: log of the share among what was allowed; NaN when the logits hold no number
};

/// What Whisper may write next in one window: the rules of `ApplyTimestampRules` in openai-whisper's decoding.py
/// (timestamps in pairs, never falling, one of them first and not after `max_initial_timestamp_s`, chosen when
/// together they are likelier than any one text token), suppressed tokens, no special token but the end of text.
///
/// Beyond those: a timestamp after the end of the real audio counts as that end, and when a segment closes there
/// nothing follows, since what a model writes about the silence behind the audio is made up.
///
/// Immutable; any thread.
class SamplingRules {
 public:
  /// `tokens` must outlive the rules. `real_frames`: encoder frames of the audio without padding, 1 to 1500.
  SamplingRules(const SpecialTokens& tokens, const DecodingOptions& options, int real_frames);

  /// The likeliest allowed token after `sampled` (what was written in this window so far, prompt not counted).
  /// `logits`: [vocab_size], raw; overwritten in part.
  SampledToken choose(std::span<const int> sampled, std::span<float> logits) const;

  /// The likeliest allowed tokens in order, as many as `best` has room for (at most kMaxRanked). Returns how many there
  /// are: none when the logits hold no number.
  std::size_t rank(std::span<const int> sampled, std::span<float> logits, std::span<SampledToken> best) const;
  static constexpr std::size_t kMaxRanked = 16;

  /// One of the allowed tokens, drawn with the soft-max of logits / `temperature`, which is greater than 0. `uniform`:
  /// in [0, 1). The log-probability is that of temperature 1.
  SampledToken draw(std::span<const int> sampled, std::span<float> logits, float temperature, double uniform) const;

 private:
  /// Allowed timestamps as [first, last] from timestamp_begin; and whether text, and the end of text, are allowed.
  struct Allowed {
    bool text = true;
    bool end_of_text = true;
    int first_timestamp = 0;
    int last_timestamp = -1;
  };
  /// The allowed tokens of one row: text with the end of text, and timestamps. Either part may be empty.
  struct Choice {
    std::span<const float> text;        ///< from token 0 on
    std::span<const float> timestamps;  ///< from `first_timestamp` on, with those that stand for the last one
    int first_timestamp = 0;
    int last_timestamp = -1;
    LogitsSummary best_text, best_timestamp;  ///< `index` within the spans
    float log_sum_exp = 0;                    ///< of both; NaN when there is nothing, or no number
  };
  Allowed allowed_after(std::span<const int> sampled) const;
  Choice look_at(std::span<const int> sampled, std::span<float> logits) const;
  int timestamp_token(const Choice& choice, int index) const;

  const SpecialTokens& tokens_;
  std::shared_ptr<const SuppressedTokens> suppressed_;
  float repetition_penalty_;
  int no_repeat_ngram_size_;
  bool timestamps_;
  int last_initial_timestamp_;
  int end_timestamp_;
};

}  // namespace stenod::whisper
