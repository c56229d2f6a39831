#pragma once

#include <functional>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "base/result.h"
#include "whisper/decoding_options.h"
#include "whisper/hypothesis.h"
#include "whisper/sampling_rules.h"

namespace stenod::whisper {

struct DecoderRow {
  int token;
  int position;
  bool wants_logits;
  int branch = 0;  ///< see Runner
};

/// Gives the logits [vocab_size] of the row with that index among those that have been run; they are overwritten.
using LogitsOf = std::function<std::span<float>(int row_index)>;

/// The search for a window's text with several hypotheses at once, each of which is a branch of the window's slot:
/// beam search at temperature 0, else so many independent samples, of which the best counts. As openai-whisper's
/// decoding.py does it (BeamSearchDecoder, with the patience of "A Call for Clarity in Beam Search", arXiv 2204.05424;
/// GreedyDecoder with best_of), but that a hypothesis also ends when it runs in a loop.
///
/// Ended hypotheses are compared by sum_logprob / (number of tokens + 1) ^ length_penalty.
///
/// Driven as WindowDecoder, which owns it. One thread.
class BranchSearch {
 public:
  /// All references must outlive the search.
  BranchSearch(const SamplingRules& rules, const SearchOptions& search, float temperature, const TextLimits& limits);

  /// Starts with what is written, whose last row was at `position` and gave `logits`.
  Status begin(const Hypothesis& written, int position, std::span<float> logits);
  /// See WindowDecoder, of which these are parts. The search has finished when there are no rows.
  std::span<const DecoderRow> rows() const { return rows_; }
  std::span<const int> parents() const { return parents_; }
  Status accept(const LogitsOf& logits_of);

  /// The best hypothesis, why it ended, and the branch that holds it. Precondition: finished.
  struct Outcome {
    Hypothesis hypothesis;
    FinishReason finish;
    int branch;
  };
  Outcome take() { return *std::move(best_); }

 private:
  /// A way to go on.
  struct Proposal {
    std::size_t parent;
    SampledToken token;
    float sum_logprob;
  };

  Status propose(std::size_t branch, std::span<float> logits);
  void go_on();
  void end(Hypothesis hypothesis, FinishReason reason, int branch);
  float score(const Hypothesis& hypothesis) const;

  const SamplingRules& rules_;
  const TextLimits& limits_;
  float temperature_;
  float length_penalty_;
  std::size_t width_;  ///< hypotheses at once
  int max_ended_;      ///< after so many the search is over
  std::mt19937_64 random_;

  std::vector<Hypothesis> live_;  ///< live_[i] is branch i
  std::vector<Hypothesis> next_;
  int position_ = 0;  ///< of the last rows
  int num_ended_ = 0;
  std::optional<Outcome> best_;  ///< of those that have ended
  int num_branches_ = 1;         ///< of the slot
  std::vector<Proposal> proposals_;
  std::vector<DecoderRow> rows_;
  std::vector<int> parents_;
};

}  // namespace stenod::whisper
