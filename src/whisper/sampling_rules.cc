#include "whisper/sampling_rules.h"

#include <algorithm>
#include <array>
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

void penalise_repeats(std::span<const int> sampled, float penalty, std::span<float> logits) {
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    const auto before = sampled.first(i);
    if (std::find(before.begin(), before.end(), sampled[i]) != before.end()) continue;  // each once
    float& logit = logits[static_cast<std::size_t>(sampled[i])];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void forbid_repeated_ngrams(std::span<const int> sampled, std::size_t length, std::span<float> logits) {
  if (sampled.size() < length) return;
  const auto end = sampled.last(length - 1);
  for (std::size_t i = 0; i + length <= sampled.size(); ++i) {
    if (!std::equal(end.begin(), end.end(), sampled.begin() + static_cast<std::ptrdiff_t>(i))) continue;
    logits[static_cast<std::size_t>(sampled[i + length - 1])] = kMinusInfinity;
  }
}

}  // namespace

SamplingRules::SamplingRules(const SpecialTokens& tokens, const DecodingOptions& options, int real_frames)
    : tokens_(tokens),
      suppressed_(options.suppressed),
      repetition_penalty_(options.search.repetition_penalty),
      no_repeat_ngram_size_(options.search.no_repeat_ngram_size),
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

SamplingRules::Choice SamplingRules::look_at(std::span<const int> sampled, std::span<float> logits) const {
  if (repetition_penalty_ != 1) penalise_repeats(sampled, repetition_penalty_, logits);
  if (no_repeat_ngram_size_ > 0) {
    forbid_repeated_ngrams(sampled, static_cast<std::size_t>(no_repeat_ngram_size_), logits);
  }
  if (suppressed_) {
    mask(suppressed_->always, logits);
    if (sampled.empty()) mask(suppressed_->at_begin, logits);
  }
  const Allowed allowed = allowed_after(sampled);
  constexpr LogitsSummary kNothing = {-1, kMinusInfinity, kMinusInfinity};
  Choice choice{.text = {}, .timestamps = {}, .best_text = kNothing, .best_timestamp = kNothing};

  const auto end_of_text = static_cast<std::size_t>(tokens_.end_of_text);
  if (allowed.text) {
    if (!allowed.end_of_text) logits[end_of_text] = kMinusInfinity;
    choice.text = logits.first(end_of_text + 1);
  } else if (allowed.end_of_text) {
    std::fill_n(logits.begin(), end_of_text, kMinusInfinity);
    choice.text = logits.first(end_of_text + 1);
  }
  if (!choice.text.empty()) choice.best_text = summarise(choice.text);

  if (allowed.first_timestamp <= allowed.last_timestamp) {
    // At the beginning the rule for initial timestamps is a real mask. Later, what lies behind the end stands for it.
    const auto range = logits.subspan(static_cast<std::size_t>(tokens_.timestamp_begin));
    const auto first = static_cast<std::size_t>(allowed.first_timestamp);
    const auto end =
        std::min(range.size(), sampled.empty() ? static_cast<std::size_t>(allowed.last_timestamp) + 1 : range.size());
    choice.first_timestamp = allowed.first_timestamp;
    choice.last_timestamp = allowed.last_timestamp;
    if (first < end) choice.timestamps = range.subspan(first, end - first);
    choice.best_timestamp = summarise(choice.timestamps);
  }

  // Together likelier than any one text token: a timestamp it is.
  if (choice.best_timestamp.index >= 0 &&
      (choice.best_text.index < 0 || choice.best_timestamp.log_sum_exp > choice.best_text.max)) {
    if (std::isnan(choice.best_text.max)) choice.best_timestamp.log_sum_exp = choice.best_text.max;
    choice.text = {};
    choice.best_text = kNothing;
  }
  choice.log_sum_exp = log_add_exp(choice.best_text.log_sum_exp, choice.best_timestamp.log_sum_exp);
  if (choice.log_sum_exp == kMinusInfinity) choice.log_sum_exp = std::numeric_limits<float>::quiet_NaN();
  return choice;
}

int SamplingRules::timestamp_token(const Choice& choice, int index) const {
  return tokens_.timestamp_begin + std::min(choice.first_timestamp + index, choice.last_timestamp);
}

SampledToken SamplingRules::choose(std::span<const int> sampled, std::span<float> logits) const {
  const Choice choice = look_at(sampled, logits);
  if (std::isnan(choice.log_sum_exp)) return {tokens_.end_of_text, choice.log_sum_exp};
  if (!choice.text.empty() && choice.best_text.index >= 0) {
    return {choice.best_text.index, choice.best_text.max - choice.log_sum_exp};
  }
  return {timestamp_token(choice, choice.best_timestamp.index), choice.best_timestamp.max - choice.log_sum_exp};
}

std::size_t SamplingRules::rank(std::span<const int> sampled, std::span<float> logits,
                                std::span<SampledToken> best) const {
  const Choice choice = look_at(sampled, logits);
  if (std::isnan(choice.log_sum_exp)) return 0;
  std::array<RankedLogit, kMaxRanked> ranked;
  std::size_t count = 0;
  const auto add = [&](SampledToken token) {
    const auto end = best.begin() + static_cast<std::ptrdiff_t>(count);
    if (std::any_of(best.begin(), end, [&](const SampledToken& other) { return other.token == token.token; })) return;
    const auto place =
        std::find_if(best.begin(), end, [&](const SampledToken& other) { return other.logprob < token.logprob; });
    if (place == best.end()) return;
    if (count < best.size()) ++count;
    std::move_backward(place, best.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                       best.begin() + static_cast<std::ptrdiff_t>(count));
    *place = token;
  };
  const auto room = std::span(ranked).first(std::min(best.size(), kMaxRanked));
  for (std::size_t i = 0, n = largest(choice.text, room); i < n; ++i) {
    add({ranked[i].index, ranked[i].value - choice.log_sum_exp});
  }
  if (!choice.timestamps.empty()) {
    // The last one is as likely as the likeliest of those that it stands for.
    const auto inside = std::min(choice.timestamps.size(),
                                 static_cast<std::size_t>(choice.last_timestamp - choice.first_timestamp) + 1);
    const float behind = summarise(choice.timestamps.subspan(inside)).max;
    float& last = logits[static_cast<std::size_t>(timestamp_token(choice, static_cast<int>(inside) - 1))];
    last = std::max(last, behind);
    for (std::size_t i = 0, n = largest(choice.timestamps.first(inside), room); i < n; ++i) {
      add({timestamp_token(choice, ranked[i].index), ranked[i].value - choice.log_sum_exp});
    }
  }
  return count;
}

SampledToken SamplingRules::draw(std::span<const int> sampled, std::span<float> logits, float temperature,
                                 double uniform) const {
  const Choice choice = look_at(sampled, logits);
  if (std::isnan(choice.log_sum_exp)) return {tokens_.end_of_text, choice.log_sum_exp};
  const float max = std::max(choice.best_text.max, choice.best_timestamp.max);
  // Below, only the likeliest would ever be drawn, and 1 / temperature may be infinite.
  constexpr float kColdest = 1e-3f;
  const float scale = 1 / std::max(temperature, kColdest);
  const double text = sum_scaled_exp(choice.text, max, scale);
  const double target = uniform * (text + sum_scaled_exp(choice.timestamps, max, scale));
  const bool is_text = target < text;
  const auto part = is_text ? choice.text : choice.timestamps;
  const int index = whisper::draw(part, max, scale, is_text ? target : target - text);
  if (index < 0) return {tokens_.end_of_text, std::numeric_limits<float>::quiet_NaN()};
  return {is_text ? index : timestamp_token(choice, index), part[static_cast<std::size_t>(index)] - choice.log_sum_exp};
}

}  // namespace stenod::whisper
