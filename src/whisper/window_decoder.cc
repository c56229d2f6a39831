#include "whisper/window_decoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "whisper/logits.h"

namespace stenod::whisper {
namespace {

/// What the text begins with by force. Where timestamps are written, a prefix stands behind the first one.
std::vector<int> known_text(const SpecialTokens& tokens, const DecodingOptions& options, bool with_draft) {
  std::vector<int> known;
  if (options.segmentation == Segmentation::kTimestamps && !options.prefix.empty()) {
    known.push_back(tokens.timestamp_begin);
  }
  known.insert(known.end(), options.prefix.begin(), options.prefix.end());
  if (with_draft) known.insert(known.end(), options.draft.begin(), options.draft.end());
  return known;
}

}  // namespace

WindowDecoder::WindowDecoder(const SpecialTokens& tokens, const DecodingOptions& options, int max_positions,
                             int real_frames, float temperature)
    : tokens_(tokens),
      rules_(tokens, options, real_frames),
      search_options_(options.search),
      temperature_(temperature),
      previous_text_(options.prompt),
      task_token_(options.task == Task::kTranslate ? tokens.translate : tokens.transcribe),
      timestamps_(options.segmentation == Segmentation::kTimestamps),
      max_positions_(max_positions),
      limits_{.max_tokens = options.max_tokens},
      detects_language_(tokens.multilingual() && !options.language_token),
      num_forced_(known_text(tokens, options, false).size()),
      written_(tokens) {
  const bool is_greedy = temperature == 0 && options.search.beam_size == 1;
  given_ = known_text(tokens, options, is_greedy);
  if (tokens.multilingual() && options.language_token) window_.language_token = *options.language_token;
  if (detects_language_) {
    push_row(tokens.start_of_transcript, 0, true);
  } else {
    start_prompt();
  }
}

std::span<const DecoderRow> WindowDecoder::rows() const {
  if (search_) return search_->rows();
  return {rows_, static_cast<std::size_t>(num_rows_)};
}

void WindowDecoder::push_row(int token, int position, bool wants_logits) {
  rows_[num_rows_++] = {token, position, wants_logits};
}

// The prompt: what was said before, start of transcript, language and task of multilingual models, "no timestamps".
void WindowDecoder::start_prompt() {
  std::vector<int> prompt;
  if (!previous_text_.empty()) {
    prompt.push_back(tokens_.start_of_previous);
    prompt.insert(prompt.end(), previous_text_.begin(), previous_text_.end());
  }
  first_row_ = static_cast<int>(prompt.size());
  prompt.push_back(tokens_.start_of_transcript);
  if (tokens_.multilingual()) {
    prompt.push_back(window_.language_token);
    prompt.push_back(task_token_);
  }
  if (!timestamps_) prompt.push_back(tokens_.no_timestamps);
  window_.prompt_length = static_cast<int>(prompt.size());
  // The last token chosen needs no row of its own, so one more than there are positions behind the prompt.
  const int room = max_positions_ - window_.prompt_length + 1;
  limits_.max_tokens = std::max({1, static_cast<int>(num_forced_) + 1, std::min(limits_.max_tokens, room)});
  written_.reserve(limits_.max_tokens);
  given_.insert(given_.begin(), prompt.begin(), prompt.end());
  // Where the language was detected, the row of <|startoftranscript|> has been run, if nothing stands before it.
  num_rows_ = 0;
  push_given(detects_language_ && first_row_ == 0 ? 1 : 0);
}

// Rows from `position` on for the tokens that are known or expected.
void WindowDecoder::push_given(int position) {
  const int end = std::min(static_cast<int>(given_.size()), window_.prompt_length + limits_.max_tokens - 1);
  for (; position < end && num_rows_ < kMaxRows; ++position) {
    const bool chooses = position + 1 >= window_.prompt_length;
    const bool is_first = position == first_row_;
    push_row(given_[static_cast<std::size_t>(position)], position, chooses || is_first);
  }
}

Status WindowDecoder::accept(const LogitsOf& logits_of) {
  return search_ ? search_->accept(logits_of) : accept_greedily(logits_of);
}

Status WindowDecoder::accept_greedily(const LogitsOf& logits_of) {
  const int num_rows = num_rows_;
  for (int r = 0; r < num_rows; ++r) {
    const DecoderRow row = rows_[r];
    window_.num_rows = row.position + 1;
    if (!row.wants_logits) continue;
    const std::span<float> logits = logits_of(r);
    if (row.token == tokens_.start_of_transcript && row.position == first_row_) {
      STENOD_RETURN_IF_ERROR(look_at_first_row(logits));
      if (window_.prompt_length == 0) {
        detect_language(logits);
        start_prompt();
        return {};
      }
    }
    if (row.position + 1 < window_.prompt_length) continue;
    STENOD_RETURN_IF_ERROR(sample(row, logits));
    if (search_ || finished()) return {};
    // Rows behind a token that was not the expected one have seen the wrong text.
    if (r + 1 < num_rows && rows_[r + 1].token != written_.tokens().back()) break;
  }
  const int next = window_.num_rows;
  num_rows_ = 0;
  if (next >= window_.prompt_length && !written_.tokens().empty()) {
    push_row(written_.tokens().back(), next, true);
    if (follows_given_) push_given(next + 1);
  } else {
    push_given(next);
  }
  return {};
}

Status WindowDecoder::look_at_first_row(std::span<const float> logits) {
  const LogitsSummary all = summarise(logits);
  if (!std::isfinite(all.log_sum_exp)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  window_.no_speech_prob = std::exp(logits[static_cast<std::size_t>(tokens_.no_speech)] - all.log_sum_exp);
  return {};
}

void WindowDecoder::detect_language(std::span<const float> logits) {
  float max = -std::numeric_limits<float>::infinity();
  window_.language_token = tokens_.languages.front();
  for (const int language : tokens_.languages) {
    if (logits[static_cast<std::size_t>(language)] <= max) continue;
    max = logits[static_cast<std::size_t>(language)];
    window_.language_token = language;
  }
  float sum = 0;
  for (const int language : tokens_.languages) sum += std::exp(logits[static_cast<std::size_t>(language)] - max);
  window_.language_probability = 1 / sum;
}

// `logits` of `row`, from which the next token is chosen.
Status WindowDecoder::sample(const DecoderRow& row, std::span<float> logits) {
  const std::size_t index = written_.tokens().size();
  const std::size_t place = index + static_cast<std::size_t>(window_.prompt_length);
  if (index < num_forced_) {
    const auto token = static_cast<std::size_t>(given_[place]);
    const float logprob = logits[token] - summarise(logits).log_sum_exp;
    if (std::isnan(logprob)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
    written_.force({given_[place], logprob});
    return {};
  }
  if (temperature_ > 0 || search_options_.beam_size > 1) {
    search_.emplace(rules_, search_options_, temperature_, limits_);
    return search_->begin(written_, row.position, logits);
  }
  const SampledToken sampled = rules_.choose(written_.tokens(), logits);
  if (!std::isfinite(sampled.logprob)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  follows_given_ = follows_given_ && place < given_.size() && given_[place] == sampled.token;
  if (const auto finish = written_.push(sampled, limits_)) {
    window_.finish = *finish;
    num_rows_ = 0;
  }
  return {};
}

DecodedWindow WindowDecoder::take() {
  assert(finished());
  Hypothesis text = std::move(written_);
  if (search_) {
    auto outcome = search_->take();
    text = std::move(outcome.hypothesis);
    window_.finish = outcome.finish;
    window_.branch = outcome.branch;
    const int unread = outcome.finish == FinishReason::kTokenLimit ? 1 : 0;  // the last token has no row
    window_.num_rows = window_.prompt_length + static_cast<int>(text.tokens().size()) - unread;
  }
  window_.avg_logprob = text.avg_logprob();
  window_.logprobs = text.take_logprobs();
  window_.tokens = text.take_tokens();
  return std::move(window_);
}

}  // namespace stenod::whisper
