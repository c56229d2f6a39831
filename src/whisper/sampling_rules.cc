#include "whisper/sampling_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "whisper/logits.h"

namespace stenod::whisper {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

void mask(std::span<const int> suppressed, std::span<float> logits) {
  for (const int token : suppressed) {
    if (token >= 0 && static_cast<std::size_t>(token) < logits.size()) logits[token] = kMinusInfinity;
  }
}

}  // namespace

SamplingRules::SamplingRules(const SpecialTokens& tokens, const DecodingOptions& options, int real_frames)
    : tokens_(tokens),
      suppressed_(options.suppressed),
      timestamps_(options.segmentation == Segmentation::kTimestamps),
      last_initial_timestamp_(static_cast<int>(std::lround(
          std::clamp(options.max_initial_timestamp_s / kSecondsPerEncoderFrame, 0.0, 1.0 * kMaxEncoderFrames)))),
      end_timestamp_(std::clamp(real_frames, 1, kMaxEncoderFrames)) {}

SamplingRules::Allowed SamplingRules::allowed_after(std::span<const int> sampled) const {
  Allowed allowed;
  if (!timestamps_) return allowed;
  allowed.last_timestamp = end_timestamp_;
  if (sampled.empty()) {
    allowed.text = allowed.end_of_text = false;
    allowed.last_timestamp = std::min(end_timestamp_, last_initial_timestamp_);
    return allowed;
  }

  const bool last_is_timestamp = tokens_.is_timestamp(sampled.back());
  const bool closes_segment =
      last_is_timestamp && sampled.size() >= 2 && !tokens_.is_timestamp(sampled[sampled.size() - 2]);
  const auto last =
      std::find_if(sampled.rbegin(), sampled.rend(), [this](int token) { return tokens_.is_timestamp(token); });
  if (last == sampled.rend()) return allowed;
  const int last_timestamp = *last - tokens_.timestamp_begin;
  if (closes_segment) {
    allowed.text = false;
    // The next segment may begin where this one ends, unless the audio ends there too.
    allowed.first_timestamp = last_timestamp < end_timestamp_ ? last_timestamp : end_timestamp_ + 1;
  } else if (last_is_timestamp) {
    allowed.last_timestamp = -1;
  } else {
    allowed.first_timestamp = last_timestamp + 1;  // no segment is empty
  }
  return allowed;
}

SampledToken SamplingRules::choose(std::span<const int> sampled, std::span<float> logits) const {
  if (suppressed_) {
    mask(suppressed_->always, logits);
    if (sampled.empty()) mask(suppressed_->at_begin, logits);
  }
  const Allowed allowed = allowed_after(sampled);

  LogitsSummary text{-1, kMinusInfinity, kMinusInfinity};
  if (allowed.text) {
    text = summarise(logits.first(tokens_.end_of_text));
  }
  const float end_of_text = logits[tokens_.end_of_text];
  if (allowed.end_of_text && end_of_text != kMinusInfinity) {
    text.log_sum_exp = log_add_exp(text.log_sum_exp, end_of_text);
    if (text.index < 0 || end_of_text > text.max) {
      text.index = tokens_.end_of_text;
      text.max = end_of_text;
    }
  }

  LogitsSummary timestamp{-1, kMinusInfinity, kMinusInfinity};
  if (allowed.first_timestamp <= allowed.last_timestamp) {
    // At the beginning the rule for initial timestamps is a real mask. Later, what lies behind the end stands for it.
    const auto range = logits.subspan(tokens_.timestamp_begin);
    const auto first = static_cast<std::size_t>(allowed.first_timestamp);
    const auto end = sampled.empty() ? static_cast<std::size_t>(allowed.last_timestamp) + 1 : range.size();
    if (first < std::min(end, range.size())) {
      timestamp = summarise(range.subspan(first, std::min(end, range.size()) - first));
    }
    if (timestamp.index >= 0) {
      timestamp.index =
          tokens_.timestamp_begin + std::min(timestamp.index + allowed.first_timestamp, allowed.last_timestamp);
    }
  }

  if (std::isnan(text.log_sum_exp) || std::isnan(timestamp.log_sum_exp)) {
    return {tokens_.end_of_text, std::numeric_limits<float>::quiet_NaN()};
  }
  // Together likelier than any one text token: a timestamp it is.
  if (timestamp.index >= 0 && (text.index < 0 || timestamp.log_sum_exp > text.max)) {
    return {timestamp.index, timestamp.max - timestamp.log_sum_exp};
  }
  if (text.index < 0) return {tokens_.end_of_text, std::numeric_limits<float>::quiet_NaN()};
  return {text.index, text.max - log_add_exp(text.log_sum_exp, timestamp.log_sum_exp)};
}

}  // namespace stenod::whisper
