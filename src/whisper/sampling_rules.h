#pragma once

#include <memory>
#include <span>

#include "whisper/decoding_options.h"
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

 private:
  /// Allowed timestamps as [first, last] from timestamp_begin; and whether text, and the end of text, are allowed.
  struct Allowed {
    bool text = true;
    bool end_of_text = true;
    int first_timestamp = 0;
    int last_timestamp = -1;
  };
  Allowed allowed_after(std::span<const int> sampled) const;

  const SpecialTokens& tokens_;
  std::shared_ptr<const SuppressedTokens> suppressed_;
  bool timestamps_;
  int last_initial_timestamp_;
  int end_timestamp_;
};

}  // namespace stenod::whisper
