#pragma once

#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/repetition.h"
#include "whisper/decoding_options.h"
#include "whisper/sampling_rules.h"
#include "whisper/special_tokens.h"

namespace stenod::whisper {

enum class FinishReason {
  kEndOfText,
  kTokenLimit,
  kRepetition,  ///< caught in a loop; the repeats have been taken off again
};

struct DecoderRow {
  int token;
  int position;
  bool wants_logits;
};

/// What decoding one window gave.
struct DecodedWindow {
  int language_token = -1;         ///< -1 for English-only models
  float language_probability = 1;  ///< of the detected language; 1 when it was given
  float no_speech_prob = 0;        ///< probability of <|nospeech|> right after <|startoftranscript|>
  std::vector<int> tokens;         ///< text and timestamps, without prompt and end of text
  std::vector<float> logprobs;     ///< of each of `tokens`
  float avg_logprob = 0;           ///< end of text included, as OpenAI's: sum / (number of tokens + 1)
  FinishReason finish = FinishReason::kEndOfText;
  int prompt_length = 0;  ///< `tokens[i]` has been chosen from the row at position prompt_length - 1 + i
  int num_rows = 0;       ///< positions [0, num_rows) have been run
};

/// Greedy decoding of one window as a state machine without a model: says which rows to run, takes their logits.
/// The engine drives it by four verbs: rows(), accept(), finished(), take().
///
/// One thread at a time. No allocation after construction.
class GreedyDecoder {
 public:
  /// `tokens` must outlive the decoder. `max_positions`: of the model's text context. `real_frames` as for
  /// SamplingRules.
  GreedyDecoder(const SpecialTokens& tokens, const DecodingOptions& options, int max_positions, int real_frames);

  /// The next rows, in one step. At most kMaxRows; empty when finished.
  std::span<const DecoderRow> rows() const { return {rows_, static_cast<std::size_t>(num_rows_)}; }
  static constexpr int kMaxRows = 32;

  /// The rows have been run: chooses tokens and moves on to the next rows. `logits_of(i)` gives the logits [vocab_size]
  /// of rows()[i], which are overwritten; it is asked for rows that want them, in order, as far as they are needed.
  /// kInternal when the logits are not numbers.
  using LogitsOf = std::function<std::span<float>(int row_index)>;
  Status accept(const LogitsOf& logits_of);

  bool finished() const { return num_rows_ == 0; }

  /// Ends the window with kTokenLimit at this many text tokens. For bounds that depend on the language, which may
  /// have to be detected first: see language_token().
  void limit_text_tokens(int max_text_tokens) { max_text_tokens_ = max_text_tokens; }

  /// -1 as long as it is not known, and for English-only models.
  int language_token() const { return window_.language_token; }

  /// Precondition: finished().
  DecodedWindow take() { return std::move(window_); }

 private:
  void push_prompt(int position, bool wants_first_logits);
  void push_known();
  void push_row(int token, int position, bool wants_logits);
  Status look_at_first_row(std::span<const float> logits);
  void detect_language(std::span<const float> logits);
  Status sample(std::span<float> logits);
  void take_off_repeats(const text::RepetitionDetector::Loop& loop);
  void finish(FinishReason reason, float end_of_text_logprob);

  const SpecialTokens& tokens_;
  SamplingRules rules_;
  text::RepetitionDetector repetition_;
  std::optional<int> given_language_;
  int task_token_;
  bool timestamps_;
  int max_tokens_;
  int max_text_tokens_;
  int num_text_tokens_ = 0;
  std::vector<int> known_;     ///< prefix and draft
  std::size_t num_forced_;     ///< of them, the prefix
  bool follows_known_ = true;  ///< what was written so far is the beginning of known_
  DecoderRow rows_[kMaxRows];
  int num_rows_ = 0;
  DecodedWindow window_;
};

}  // namespace stenod::whisper
