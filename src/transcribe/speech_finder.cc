#include "transcribe/speech_finder.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "transcribe/window_packer.h"

namespace stenod::transcribe {
namespace {

constexpr std::int64_t kChunk = vad::SileroVad::kChunkSamples;
constexpr std::int64_t kRate = vad::SileroVad::kSampleRate;
// Many chunks at once make the detector's products large; about a second of them keeps the delay small.
constexpr std::int64_t kJudgedAtOnce = 32;
// What the segmenter has not given out yet reaches back no further: one stretch of speech that waits for its padding,
// one that goes on, and padding.
constexpr std::int64_t kMaxUndecided = 2 * kMaxWindowSamples + kRate;

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

Result<SpeechFinder> SpeechFinder::create(const vad::SileroVad* vad, const vad::SegmenterOptions& options) {
  STENOD_ASSIGN_OR_RETURN(auto segmenter, vad::SpeechSegmenter::create(options));
  return SpeechFinder(vad, std::move(segmenter));
}

SpeechFinder::SpeechFinder(const vad::SileroVad* vad, vad::SpeechSegmenter segmenter)
    : vad_(vad), segmenter_(std::move(segmenter)) {}

void SpeechFinder::push(std::span<const std::int16_t> samples, const OnSpeech& on_speech) {
  // In parts, so that a block of any size costs no more memory than a small one.
  constexpr std::size_t kPart = kJudgedAtOnce * kChunk;
  for (std::size_t i = 0; i < samples.size(); i += kPart) {
    const auto part = samples.subspan(i, std::min(kPart, samples.size() - i));
    samples_.insert(samples_.end(), part.begin(), part.end());
    vad_ != nullptr ? judge(false) : cut_without_vad(false);
    give_out(on_speech);
  }
}

void SpeechFinder::finish(const OnSpeech& on_speech) {
  vad_ != nullptr ? judge(true) : cut_without_vad(true);
  give_out(on_speech);
  needed_from_ = num_samples();
}

void SpeechFinder::give_out(const OnSpeech& on_speech) {
  for (const vad::SpeechSegment& segment : found_) {
    on_speech(segment);
    needed_from_ = segment.end;
  }
  found_.clear();
  forget();
}

std::span<const std::int16_t> SpeechFinder::samples(std::int64_t start, std::int64_t end) const {
  return std::span(samples_).subspan(static_cast<std::size_t>(start - first_sample_),
                                     static_cast<std::size_t>(end - start));
}

std::int64_t SpeechFinder::undecided_from() const { return std::max(needed_from_, num_judged_ - kMaxUndecided); }

void SpeechFinder::judge(bool last) {
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
  for (const float probability : judged) segmenter_.push(probability, found_);
  num_judged_ += count;
  if (last) segmenter_.finish(num_samples(), found_);
}

void SpeechFinder::cut_without_vad(bool last) {
  constexpr std::int64_t kSearched = 3 * kRate;
  while (num_samples() - num_judged_ > kMaxWindowSamples) {
    const std::int64_t search_from = num_judged_ + kMaxWindowSamples - kSearched;
    const std::int64_t cut = search_from + quietest(std::span(samples_).subspan(
                                               static_cast<std::size_t>(search_from - first_sample_), kSearched));
    found_.push_back({num_judged_, cut});
    num_judged_ = cut;
  }
  if (last && num_samples() > num_judged_) {
    found_.push_back({num_judged_, num_samples()});
    num_judged_ = num_samples();
  }
}

float SpeechFinder::speech_peak(std::int64_t start, std::int64_t end) const {
  if (vad_ == nullptr) return 1;
  const auto first_chunk = first_sample_ / kChunk;
  const auto begin = probabilities_.begin() + (start / kChunk - first_chunk);
  const auto count = std::min((end - 1) / kChunk - start / kChunk + 1, probabilities_.end() - begin);
  return *std::max_element(begin, begin + count);
}

void SpeechFinder::forget() {
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
