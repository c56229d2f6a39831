#include "transcribe/speech_stream.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
namespace stenod::transcribe {
namespace {

constexpr std::int64_t kChunk = vad::SileroVad::kChunkSamples;
constexpr std::int64_t kRate = audio::kSampleRate;
// Many chunks at once make the detector's products large; about a second of them keeps the delay small.
constexpr std::int64_t kJudgedAtOnce = 32;
// What the segmenter has not given out yet reaches back no further: one stretch of speech that waits for its padding,
// one that goes on, and padding.
constexpr std::int64_t kMaxUndecided = 2 * kMaxWindowSamples + kRate;
constexpr std::int64_t kMaxPause = 10 * kRate;

/// Nearly as faster-whisper's batched pipeline: any pause ends a stretch of speech, padding joins those that are close.
vad::SegmenterOptions segmenter_options() {
  vad::SegmenterOptions options;
  options.min_silence_ms = 160;
  options.min_speech_ms = 100;  // shorter is a click or a bump; the shortest words take about twice that
  options.max_speech_s = static_cast<double>(kMaxWindowSamples) / kRate;
  return options;
}

/// Middle of the quietest tenth of a second, where a cut does least harm.
std::int64_t quietest(std::span<const std::int16_t> samples) {
  constexpr std::size_t kWidth = kRate / 10;
  std::int64_t sum = 0, lowest = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sum += std::abs(static_cast<int>(samples[i]));
    if (i >= kWidth) sum -= std::abs(static_cast<int>(samples[i - kWidth]));
    if (i + 1 < kWidth || (lowest >= 0 && sum >= lowest)) continue;
    lowest = sum;
    at = i + 1 - kWidth / 2;
  }
  return static_cast<std::int64_t>(at);
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

Result<SpeechStream> SpeechStream::create(const vad::SileroVad* vad, int num_mels) {
  STENOD_ASSIGN_OR_RETURN(auto segmenter, vad::SpeechSegmenter::create(segmenter_options()));
  return SpeechStream(vad, std::move(segmenter), num_mels);
}

SpeechStream::SpeechStream(const vad::SileroVad* vad, vad::SpeechSegmenter segmenter, int num_mels)
    : vad_(vad), segmenter_(std::move(segmenter)), packer_(kMaxPause), extractor_(num_mels) {
  features_.num_mels = num_mels;
}

void SpeechStream::push(std::span<const std::int16_t> samples, std::vector<SpeechWindow>& windows) {
  // In parts, so that a block of any size costs no more memory than a small one.
  constexpr std::size_t kPart = kJudgedAtOnce * kChunk;
  for (std::size_t i = 0; i < samples.size(); i += kPart) {
    const auto part = samples.subspan(i, std::min(kPart, samples.size() - i));
    samples_.insert(samples_.end(), part.begin(), part.end());
    std::vector<vad::SpeechSegment> segments;
    vad_ != nullptr ? judge(false, segments) : cut_without_vad(false, segments);
    pack(segments, false, windows);
  }
}

void SpeechStream::finish(std::vector<SpeechWindow>& windows) {
  std::vector<vad::SpeechSegment> segments;
  vad_ != nullptr ? judge(true, segments) : cut_without_vad(true, segments);
  pack(segments, true, windows);
  needed_from_ = num_samples();
}

std::int64_t SpeechStream::settled_samples() const { return packer_.open_start().value_or(undecided_from()); }

std::int64_t SpeechStream::undecided_from() const { return std::max(needed_from_, num_judged_ - kMaxUndecided); }

void SpeechStream::judge(bool last, std::vector<vad::SpeechSegment>& segments) {
  const std::int64_t waiting = num_samples() - num_judged_;
  if (!last && waiting < kJudgedAtOnce * kChunk) return;
  const std::int64_t num_chunks = last ? (waiting + kChunk - 1) / kChunk : waiting / kChunk;
  chunk_samples_.assign(static_cast<std::size_t>(num_chunks * kChunk), 0.0f);
  const std::int64_t count = std::min(waiting, num_chunks * kChunk);
  for (std::int64_t i = 0; i < count; ++i) {
    chunk_samples_[static_cast<std::size_t>(i)] =
        static_cast<float>(samples_[static_cast<std::size_t>(num_judged_ - first_sample_ + i)]) / 32768.0f;
  }
  probabilities_.resize(probabilities_.size() + static_cast<std::size_t>(num_chunks));
  const auto judged = std::span(probabilities_).last(static_cast<std::size_t>(num_chunks));
  vad_->run(vad_state_, chunk_samples_, judged, scratch_);
  for (const float probability : judged) segmenter_.push(probability, segments);
  num_judged_ += count;
  if (last) segmenter_.finish(num_samples(), segments);
}

void SpeechStream::cut_without_vad(bool last, std::vector<vad::SpeechSegment>& segments) {
  constexpr std::int64_t kSearched = 3 * kRate;
  while (num_samples() - num_judged_ > kMaxWindowSamples) {
    const std::int64_t search_from = num_judged_ + kMaxWindowSamples - kSearched;
    const std::int64_t cut = search_from + quietest(std::span(samples_).subspan(
                                               static_cast<std::size_t>(search_from - first_sample_), kSearched));
    segments.push_back({num_judged_, cut});
    num_judged_ = cut;
  }
  if (last && num_samples() > num_judged_) {
    segments.push_back({num_judged_, num_samples()});
    num_judged_ = num_samples();
  }
}

void SpeechStream::pack(std::span<const vad::SpeechSegment> segments, bool last, std::vector<SpeechWindow>& windows) {
  for (const vad::SpeechSegment& segment : segments) {
    // Padding may make a segment a little longer than a window.
    for (std::int64_t start = segment.start; start < segment.end; start += kMaxWindowSamples) {
      const Piece piece = {start, std::min(start + kMaxWindowSamples, segment.end)};
      if (auto window = packer_.push(piece)) windows.push_back(complete(*std::move(window)));
      extractor_.append(std::span(samples_).subspan(static_cast<std::size_t>(piece.start - first_sample_),
                                                    static_cast<std::size_t>(piece.size())),
                        features_);
      window_peak_ = std::max(window_peak_, speech_peak(piece));
    }
    needed_from_ = segment.end;
  }
  if (last) {
    if (auto window = packer_.finish()) windows.push_back(complete(*std::move(window)));
  }
  forget();
}

float SpeechStream::speech_peak(const Piece& piece) const {
  if (vad_ == nullptr) return 1;
  const auto first_chunk = first_sample_ / kChunk;
  const auto begin = probabilities_.begin() + (piece.start / kChunk - first_chunk);
  const auto count = std::min((piece.end - 1) / kChunk - piece.start / kChunk + 1, probabilities_.end() - begin);
  return *std::max_element(begin, begin + count);
}

SpeechWindow SpeechStream::complete(Window window) {
  extractor_.flush(features_);
  SpeechWindow result{std::move(window), std::exchange(features_, {}), std::exchange(window_peak_, 0.0f)};
  features_.num_mels = result.features.num_mels;
  // The last frames of a full window would see beyond its 30 s.
  if (result.features.num_frames > audio::kMaxWindowFrames) {
    result.features.num_frames = audio::kMaxWindowFrames;
    result.features.values.resize(static_cast<std::size_t>(audio::kMaxWindowFrames * result.features.num_mels));
  }
  return result;
}

void SpeechStream::forget() {
  const std::int64_t keep = undecided_from();
  // Moving the rest down costs time in proportion to it, so not for every chunk.
  if (keep - first_sample_ < 5 * kRate) return;
  samples_.erase(samples_.begin(), samples_.begin() + (keep - first_sample_));
  if (vad_ != nullptr) {
    probabilities_.erase(probabilities_.begin(), probabilities_.begin() + (keep / kChunk - first_sample_ / kChunk));
  }
  first_sample_ = keep;
}

}  // namespace stenod::transcribe
