#pragma once

#include <array>
#include <optional>

namespace stenod::text {

/// Notices that greedy decoding runs in a loop, while it runs: give it every sampled token.
///
/// Rule: there is a loop when the text tokens end in a stretch with some period n of 1 to 30 tokens that is at least
/// 16 + 4n tokens long: one token 20 times, a pair 12 times, a word of 8 tokens 6 times, a sentence of 30 tokens
/// 4.5 times. The constant lets short things repeat as people do ("no no no", "ha ha ha ha", spoken digits, a word
/// that takes many tokens in its script); what is shorter than that is left to the compression ratio. Only text
/// tokens count, so that timestamps between the copies hide nothing.
///
/// Pure; 30 comparisons a token; no allocation. Owned by one sequence.
class RepetitionDetector {
 public:
  static constexpr int kMaxPeriod = 30;

  struct Loop {
    int period;      ///< text tokens of one copy; the smallest period that fulfils the rule
    int num_tokens;  ///< text tokens of the whole stretch, the first copy included
  };

  /// Tokens from `first_special_token` (end of text) on are not text.
  explicit RepetitionDetector(int first_special_token) : first_special_token_(first_special_token) {}

  /// The loop that the sequence ends in with this token, if any.
  std::optional<Loop> push(int token);

 private:
  int first_special_token_;
  int count_ = 0;                         ///< text tokens so far
  std::array<int, kMaxPeriod> recent_{};  ///< the last of them, a ring
  /// For each period n, how many of the last tokens equal the one n places before; [0] is not used.
  std::array<int, kMaxPeriod + 1> matches_{};
};

}  // namespace stenod::text
