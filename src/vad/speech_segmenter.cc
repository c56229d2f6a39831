#include "vad/speech_segmenter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace stenod::vad {
namespace {

constexpr std::int64_t kSamplesPerMs = SpeechSegmenter::kSampleRate / 1000;
/// A silence must last longer than this to split a segment that has become too long.
constexpr std::int64_t kMinSplitSilenceSamples = 98 * kSamplesPerMs;
constexpr std::int64_t kMaxOptionMs = 3'600'000;

Error invalid(std::string_view option, std::string_view expected) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: expected {}", option, expected), std::string(option)};
}

}  // namespace

Result<SpeechSegmenter> SpeechSegmenter::create(const SegmenterOptions& options) {
  // Written so that NaN is refused.
  if (!(options.threshold > 0 && options.threshold <= 1)) return invalid("threshold", "more than 0 and at most 1");
  if (options.neg_threshold && !(*options.neg_threshold >= 0 && *options.neg_threshold <= options.threshold)) {
    return invalid("neg_threshold", "0 to threshold");
  }
  for (const auto& [name, value] : {std::pair{"min_speech_ms", options.min_speech_ms},
                                    {"min_silence_ms", options.min_silence_ms},
                                    {"speech_pad_ms", options.speech_pad_ms}}) {
    if (value < 0 || value > kMaxOptionMs) return invalid(name, fmt::format("0 to {}", kMaxOptionMs));
  }
  SpeechSegmenter segmenter(options);
  if (!(segmenter.max_speech_samples_ > 0)) {
    return invalid("max_speech_s", "more than one chunk of 0.032 s and the padding on both sides");
  }
  return segmenter;
}

SpeechSegmenter::SpeechSegmenter(const SegmenterOptions& options)
    : threshold_(static_cast<float>(options.threshold)),
      neg_threshold_(static_cast<float>(options.neg_threshold.value_or(std::max(options.threshold - 0.15, 0.01)))),
      min_speech_samples_(options.min_speech_ms * kSamplesPerMs),
      max_speech_samples_(static_cast<double>(kSampleRate) * options.max_speech_s - kChunkSamples -
                          static_cast<double>(2 * options.speech_pad_ms * kSamplesPerMs)),
      min_silence_samples_(options.min_silence_ms * kSamplesPerMs),
      pad_samples_(options.speech_pad_ms * kSamplesPerMs) {}

void SpeechSegmenter::push(float probability, std::vector<SpeechSegment>& segments) {
  advance(probability, segments);
  // From here on any end of the open segment lies at or behind this chunk, save for a split, which drops nothing.
  const bool open_is_certain = open_start_ && !silence_start_ && position_ - *open_start_ > min_speech_samples_;
  position_ += kChunkSamples;
  if (!pending_) return;
  const std::int64_t gap = open_start_.value_or(position_) - pending_->end;
  if (open_is_certain || gap >= 2 * pad_samples_) emit_pending(std::min(pad_samples_, gap / 2), segments);
}

void SpeechSegmenter::advance(float probability, std::vector<SpeechSegment>& segments) {
  const bool speech = probability >= threshold_;
  if (!open_start_) {
    if (speech) open_start_ = position_;
    return;
  }
  if (speech && silence_start_) {
    silence_start_.reset();
    if (split_ && !split_->next_start) split_->next_start = position_;
  }

  if (static_cast<double>(position_ - *open_start_) > max_speech_samples_) {
    if (!split_) return close(position_, std::nullopt, segments);
    close(split_->end, split_->next_start, segments);
    if (!open_start_) return;
  }

  if (probability < neg_threshold_) {
    if (!silence_start_) silence_start_ = position_;
    const std::int64_t silence = position_ - *silence_start_;
    if (silence > kMinSplitSilenceSamples) split_ = Split{.end = *silence_start_, .next_start = std::nullopt};
    if (silence < min_silence_samples_) return;
    if (*silence_start_ - *open_start_ > min_speech_samples_) return close(*silence_start_, std::nullopt, segments);
    reopen(std::nullopt);
  }
}

void SpeechSegmenter::finish(std::int64_t num_samples, std::vector<SpeechSegment>& segments) {
  if (open_start_ && num_samples - *open_start_ > min_speech_samples_) close(num_samples, std::nullopt, segments);
  if (pending_) emit_pending(std::min(pad_samples_, num_samples - pending_->end), segments);
  reopen(std::nullopt);
  position_ = 0;
  last_end_.reset();
}

/// Ends the open segment at `end` and opens the next one at `next_start`, if any.
void SpeechSegmenter::close(std::int64_t end, std::optional<std::int64_t> next_start,
                            std::vector<SpeechSegment>& segments) {
  const std::int64_t start = *open_start_;
  const std::int64_t pad = last_end_ ? std::min(pad_samples_, (start - *last_end_) / 2) : pad_samples_;
  if (pending_) emit_pending(pad, segments);
  pending_ = SpeechSegment{.start = std::max<std::int64_t>(0, start - pad), .end = end};
  last_end_ = end;
  reopen(next_start);
}

void SpeechSegmenter::reopen(std::optional<std::int64_t> start) {
  open_start_ = start;
  silence_start_.reset();
  split_.reset();
}

void SpeechSegmenter::emit_pending(std::int64_t pad, std::vector<SpeechSegment>& segments) {
  segments.push_back({.start = pending_->start, .end = pending_->end + pad});
  pending_.reset();
}

}  // namespace stenod::vad
