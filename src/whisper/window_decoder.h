#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "whisper/branch_search.h"
#include "whisper/decoding_options.h"
#include "whisper/hypothesis.h"
#include "whisper/sampling_rules.h"
#include "whisper/special_tokens.h"

namespace stenod::whisper {

/// What decoding one window gave.
struct DecodedWindow {
  int language_token = -1;         ///< -1 for English-only models
  float language_probability = 1;  ///< of the detected language; 1 when it was given
  float no_speech_prob = 0;        ///< probability of <|nospeech|> right after <|startoftranscript|>
  std::vector<int> tokens;         ///< text and timestamps, without prompt and end of text
  std::vector<float> logprobs;     ///< of each of `tokens`
  float avg_logprob = 0;           ///< end of text included, as OpenAI's: sum / (number of tokens + 1)
  FinishReason finish = FinishReason::kEndOfText;
  int branch = 0;         ///< of the slot, that holds `tokens`
  int prompt_length = 0;  ///< `tokens[i]` has been chosen from the row at position prompt_length - 1 + i
  int num_rows = 0;       ///< positions [0, num_rows) of the branch have been run
};

/// Decoding of one window as a state machine without a model: says which rows to run, takes their logits. First the
/// language where it is not given, then the prompt and what the text must begin with, then the search: greedy here,
/// with several hypotheses in a BranchSearch. The engine drives it by its verbs: parents() and rows(), accept(),
/// finished(), take().
///
/// One thread at a time. A greedy search does not allocate after construction.
class WindowDecoder {
 public:
  /// `tokens` must outlive the decoder. `max_positions`: of the model's text context. `real_frames` as for
  /// SamplingRules. `temperature`: one of the options'.
  WindowDecoder(const SpecialTokens& tokens, const DecodingOptions& options, int max_positions, int real_frames,
                float temperature = 0);
  WindowDecoder(const WindowDecoder&) = delete;
  WindowDecoder& operator=(const WindowDecoder&) = delete;

  /// The next rows, in one step. At most kMaxRows; empty when finished.
  std::span<const DecoderRow> rows() const;
  static constexpr int kMaxRows = 32;

  /// What to fork the slot into before these rows, once: see Runner::fork(). Empty: the branches are the same.
  std::span<const int> parents() const { return search_ ? search_->parents() : std::span<const int>(); }

  /// The rows have been run: chooses tokens and moves on to the next rows. `logits_of(i)` gives the logits [vocab_size]
  /// of rows()[i]; it is asked for rows that want them, in order, as far as they are needed.
  /// kInternal when the logits are not numbers.
  Status accept(const LogitsOf& logits_of);

  bool finished() const { return rows().empty(); }

  /// Ends the window with kTokenLimit at this many text tokens. For bounds that depend on the language, which may
  /// have to be detected first: see language_token().
  void limit_text_tokens(int max_text_tokens) { limits_.max_text_tokens = max_text_tokens; }

  /// -1 as long as it is not known, and for English-only models.
  int language_token() const { return window_.language_token; }

  /// Precondition: finished().
  DecodedWindow take();

 private:
  void start_prompt();
  void push_row(int token, int position, bool wants_logits);
  void push_given(int position);
  Status accept_greedily(const LogitsOf& logits_of);
  Status look_at_first_row(std::span<const float> logits);
  void detect_language(std::span<const float> logits);
  Status sample(const DecoderRow& row, std::span<float> logits);

  const SpecialTokens& tokens_;
  const SamplingRules rules_;
  const SearchOptions search_options_;
  const float temperature_;
  const std::vector<int> previous_text_;
  const int task_token_;
  const bool timestamps_;
  const int max_positions_;
  TextLimits limits_;
  bool detects_language_;
  std::vector<int> given_;     ///< the prompt, and behind it prefix and draft
  std::size_t num_forced_;     ///< tokens of the prefix
  int first_row_ = 0;          ///< position of <|startoftranscript|>
  bool follows_given_ = true;  ///< what was written so far is the beginning of what is given
  Hypothesis written_;
  DecoderRow rows_[kMaxRows];
  int num_rows_ = 0;
  std::optional<BranchSearch> search_;
  DecodedWindow window_;
};

}  // namespace stenod::whisper
