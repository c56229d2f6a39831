#include "transcribe/speech_stream.h"

#include <algorithm>
#include <utility>

namespace stenod::transcribe {
namespace {

constexpr std::int64_t kRate = audio::kSampleRate;

/// Nearly as faster-whisper's batched pipeline: any pause ends a stretch of speech, padding joins those that are close.
vad::SegmenterOptions segmenter_options() {
  vad::SegmenterOptions options;
  options.min_silence_ms = 160;
  options.min_speech_ms = 100;  // shorter is a click or a bump; the shortest words take about twice that
  options.max_speech_s = static_cast<double>(kMaxWindowSamples) / kRate;
  return options;
}

}  // namespace

whisper::QualityThresholds thresholds_for(float speech_peak, const whisper::QualityThresholds& clear) {
  whisper::QualityThresholds thresholds = clear;
  if (speech_peak < kClearSpeech) {
    thresholds.no_speech_prob = std::min(thresholds.no_speech_prob, 0.2f);
    thresholds.avg_logprob = std::max(thresholds.avg_logprob, -0.5f);
  }
  return thresholds;
}

void limit_to_window(audio::LogMel& features) {
  if (features.num_frames <= audio::kMaxWindowFrames) return;
  features.num_frames = audio::kMaxWindowFrames;
  features.values.resize(static_cast<std::size_t>(audio::kMaxWindowFrames * features.num_mels));
}

Result<SpeechStream> SpeechStream::create(const vad::SileroVad* vad, int num_mels, std::int64_t max_pause_samples) {
  STENOD_ASSIGN_OR_RETURN(auto finder, SpeechFinder::create(vad, segmenter_options()));
  return SpeechStream(std::move(finder), num_mels, max_pause_samples);
}

SpeechStream::SpeechStream(SpeechFinder finder, int num_mels, std::int64_t max_pause_samples)
    : finder_(std::move(finder)), packer_(max_pause_samples), extractor_(num_mels) {
  features_.num_mels = num_mels;
}

void SpeechStream::push(std::span<const std::int16_t> samples, std::vector<SpeechWindow>& windows) {
  finder_.push(samples, [&](const vad::SpeechSegment& speech) { pack(speech, windows); });
}

void SpeechStream::finish(std::vector<SpeechWindow>& windows) {
  finder_.finish([&](const vad::SpeechSegment& speech) { pack(speech, windows); });
  if (auto window = packer_.finish()) windows.push_back(complete(*std::move(window)));
}

std::int64_t SpeechStream::settled_samples() const { return packer_.open_start().value_or(finder_.undecided_from()); }

void SpeechStream::pack(const vad::SpeechSegment& speech, std::vector<SpeechWindow>& windows) {
  // Padding may make a stretch a little longer than a window.
  for (std::int64_t start = speech.start; start < speech.end; start += kMaxWindowSamples) {
    const Piece piece = {start, std::min(start + kMaxWindowSamples, speech.end)};
    if (auto window = packer_.push(piece)) windows.push_back(complete(*std::move(window)));
    extractor_.append(finder_.samples(piece.start, piece.end), features_);
    window_peak_ = std::max(window_peak_, finder_.speech_peak(piece.start, piece.end));
  }
}

SpeechWindow SpeechStream::complete(Window window) {
  extractor_.flush(features_);
  SpeechWindow result{std::move(window), std::exchange(features_, {}), std::exchange(window_peak_, 0.0f)};
  features_.num_mels = result.features.num_mels;
  limit_to_window(result.features);
  return result;
}

}  // namespace stenod::transcribe
