#include "whisper/greedy_decoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "whisper/logits.h"

namespace stenod::whisper {
namespace {

constexpr int kMaxPromptRows = 4;

}  // namespace

GreedyDecoder::GreedyDecoder(const SpecialTokens& tokens, const DecodingOptions& options, int max_positions,
                             int real_frames)
    : tokens_(tokens),
      rules_(tokens, options, real_frames),
      repetition_(tokens.end_of_text),
      given_language_(options.language_token),
      task_token_(options.task == Task::kTranslate ? tokens.translate : tokens.transcribe),
      timestamps_(options.segmentation == Segmentation::kTimestamps),
      // The last token chosen needs no row of its own, so one more than there are positions behind the prompt.
      max_tokens_(std::max({1, static_cast<int>(options.prefix.size()) + 1,
                            std::min(options.max_tokens, max_positions - kMaxPromptRows + 1)})),
      max_text_tokens_(std::numeric_limits<int>::max()),
      known_(options.prefix),
      num_forced_(options.prefix.size()) {
  known_.insert(known_.end(), options.draft.begin(), options.draft.end());
  window_.tokens.reserve(static_cast<std::size_t>(max_tokens_));
  window_.logprobs.reserve(static_cast<std::size_t>(max_tokens_));
  if (tokens_.multilingual() && !given_language_) {
    push_row(tokens_.start_of_transcript, 0, true);
  } else {
    if (tokens_.multilingual()) window_.language_token = *given_language_;
    push_prompt(0, true);
  }
}

void GreedyDecoder::push_row(int token, int position, bool wants_logits) {
  rows_[num_rows_++] = {token, position, wants_logits};
}

// The prompt from `position` on: start of transcript, language and task of multilingual models, "no timestamps".
void GreedyDecoder::push_prompt(int position, bool wants_first_logits) {
  num_rows_ = 0;
  if (position == 0) push_row(tokens_.start_of_transcript, position++, wants_first_logits);
  if (tokens_.multilingual()) {
    push_row(window_.language_token, position++, false);
    push_row(task_token_, position++, false);
  }
  if (!timestamps_) push_row(tokens_.no_timestamps, position++, false);
  rows_[num_rows_ - 1].wants_logits = true;
  window_.prompt_length = position;
  push_known();
}

// Rows for the tokens that are expected to follow those chosen so far, whose last one, if any, has its row already.
void GreedyDecoder::push_known() {
  if (!follows_known_) return;
  const std::size_t last = std::min(known_.size(), static_cast<std::size_t>(max_tokens_ - 1));
  for (std::size_t i = window_.tokens.size(); i < last && num_rows_ < kMaxRows; ++i) {
    push_row(known_[i], rows_[num_rows_ - 1].position + 1, true);
  }
}

Status GreedyDecoder::accept(const LogitsOf& logits_of) {
  const int num_rows = num_rows_;
  for (int r = 0; r < num_rows; ++r) {
    const DecoderRow row = rows_[r];
    window_.num_rows = row.position + 1;
    if (!row.wants_logits) continue;
    const std::span<float> logits = logits_of(r);
    if (row.position == 0) {
      STENOD_RETURN_IF_ERROR(look_at_first_row(logits));
      if (tokens_.multilingual() && window_.language_token < 0) {
        detect_language(logits);
        push_prompt(1, false);
        return {};
      }
    }
    if (row.position + 1 < window_.prompt_length) continue;
    STENOD_RETURN_IF_ERROR(sample(logits));
    if (finished()) return {};
    // Rows behind a token that was not the expected one have seen the wrong text.
    if (r + 1 < num_rows && rows_[r + 1].token != window_.tokens.back()) break;
  }
  num_rows_ = 0;
  push_row(window_.tokens.back(), window_.num_rows, true);
  push_known();
  return {};
}

Status GreedyDecoder::look_at_first_row(std::span<const float> logits) {
  const LogitsSummary all = summarise(logits);
  if (!std::isfinite(all.log_sum_exp)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  window_.no_speech_prob = std::exp(logits[tokens_.no_speech] - all.log_sum_exp);
  return {};
}

void GreedyDecoder::detect_language(std::span<const float> logits) {
  float max = -std::numeric_limits<float>::infinity();
  window_.language_token = tokens_.languages.front();
  for (const int language : tokens_.languages) {
    if (logits[language] <= max) continue;
    max = logits[language];
    window_.language_token = language;
  }
  float sum = 0;
  for (const int language : tokens_.languages) sum += std::exp(logits[language] - max);
  window_.language_probability = 1 / sum;
}

Status GreedyDecoder::sample(std::span<float> logits) {
  const std::size_t index = window_.tokens.size();
  const bool is_forced = index < num_forced_;
  SampledToken sampled;
  if (is_forced) {
    sampled = {known_[index], logits[static_cast<std::size_t>(known_[index])] - summarise(logits).log_sum_exp};
  } else {
    sampled = rules_.choose(window_.tokens, logits);
  }
  if (!std::isfinite(sampled.logprob)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  if (sampled.token == tokens_.end_of_text) {
    finish(FinishReason::kEndOfText, sampled.logprob);
    return {};
  }
  follows_known_ = follows_known_ && index < known_.size() && known_[index] == sampled.token;
  window_.tokens.push_back(sampled.token);
  window_.logprobs.push_back(sampled.logprob);
  num_text_tokens_ += tokens_.is_text(sampled.token) ? 1 : 0;
  const auto loop = repetition_.push(sampled.token);
  if (is_forced) return {};
  if (loop) {
    take_off_repeats(*loop);
    finish(FinishReason::kRepetition, 0);
  } else if (static_cast<int>(window_.tokens.size()) >= max_tokens_ || num_text_tokens_ >= max_text_tokens_) {
    finish(FinishReason::kTokenLimit, 0);
  }
  return {};
}

// Keeps the first copy of what is repeated, and what is forced.
void GreedyDecoder::take_off_repeats(const text::RepetitionDetector::Loop& loop) {
  int surplus = loop.num_tokens - loop.period;
  for (; surplus > 0 && window_.tokens.size() > num_forced_; window_.tokens.pop_back()) {
    surplus -= tokens_.is_text(window_.tokens.back()) ? 1 : 0;
  }
  window_.logprobs.resize(window_.tokens.size());
}

void GreedyDecoder::finish(FinishReason reason, float end_of_text_logprob) {
  num_rows_ = 0;
  window_.finish = reason;
  const float sum = std::accumulate(window_.logprobs.begin(), window_.logprobs.end(), end_of_text_logprob);
  window_.avg_logprob = sum / static_cast<float>(window_.tokens.size() + 1);
}

}  // namespace stenod::whisper
