#include "whisper/greedy_decoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "whisper/logits.h"

namespace stenod::whisper {

GreedyDecoder::GreedyDecoder(const SpecialTokens& tokens, const DecodingOptions& options, int max_positions,
                             int real_frames)
    : tokens_(tokens),
      rules_(tokens, options, real_frames),
      repetition_(tokens.end_of_text),
      given_language_(options.language_token),
      task_token_(options.task == Task::kTranslate ? tokens.translate : tokens.transcribe),
      timestamps_(options.segmentation == Segmentation::kTimestamps),
      // The last token chosen needs no row of its own, so one more than there are positions behind the prompt.
      max_tokens_(std::max(1, std::min(options.max_tokens, max_positions - kMaxRows + 1))),
      max_text_tokens_(std::numeric_limits<int>::max()) {
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
}

Status GreedyDecoder::accept(int row_index, std::span<float> logits) {
  assert(row_index < num_rows_ && rows_[row_index].wants_logits);
  const DecoderRow row = rows_[row_index];
  const bool is_last_row = row_index == num_rows_ - 1;
  window_.num_rows = row.position + 1;
  if (row.position == 0) {
    const LogitsSummary all = summarise(logits);
    if (!std::isfinite(all.log_sum_exp)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
    window_.no_speech_prob = std::exp(logits[tokens_.no_speech] - all.log_sum_exp);
    if (tokens_.multilingual() && window_.language_token < 0) {
      detect_language(logits);
      push_prompt(1, false);
      return {};
    }
  }
  if (is_last_row) return sample(logits);
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
  const SampledToken sampled = rules_.choose(window_.tokens, logits);
  if (!std::isfinite(sampled.logprob)) return Error{ErrorCode::kInternal, "the model's logits are not numbers"};
  if (sampled.token == tokens_.end_of_text) {
    finish(FinishReason::kEndOfText, sampled.logprob);
    return {};
  }
  window_.tokens.push_back(sampled.token);
  window_.logprobs.push_back(sampled.logprob);
  num_text_tokens_ += tokens_.is_text(sampled.token) ? 1 : 0;
  if (const auto loop = repetition_.push(sampled.token)) {
    take_off_repeats(*loop);
    finish(FinishReason::kRepetition, 0);
  } else if (static_cast<int>(window_.tokens.size()) >= max_tokens_ || num_text_tokens_ >= max_text_tokens_) {
    finish(FinishReason::kTokenLimit, 0);
  } else {
    num_rows_ = 0;
    push_row(sampled.token, window_.num_rows, true);
  }
  return {};
}

// Keeps the first copy of what is repeated.
void GreedyDecoder::take_off_repeats(const text::RepetitionDetector::Loop& loop) {
  for (int surplus = loop.num_tokens - loop.period; surplus > 0; window_.tokens.pop_back()) {
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
