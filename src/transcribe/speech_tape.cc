#include "transcribe/speech_tape.h"

#include <algorithm>
#include <utility>

namespace stenod::transcribe {
namespace {

constexpr std::int64_t kRate = vad::SileroVad::kSampleRate;

/// Those of faster-whisper's VadOptions, but that long speech is given out in parts; splice() joins them again.
vad::SegmenterOptions segmenter_options() {
  vad::SegmenterOptions options;
  options.max_speech_s = static_cast<double>(kMaxWindowSamples) / kRate;
  return options;
}

/// What remains of the shortest silence that ends speech, without its padding. A shorter gap is no such silence.
std::int64_t shortest_cut() {
  const vad::SegmenterOptions options;
  return (options.min_silence_ms - 2 * options.speech_pad_ms) * kRate / 1000;
}

}  // namespace

Result<SpeechTape> SpeechTape::create(const vad::SileroVad* vad, std::int64_t first_sample) {
  if (vad == nullptr) return SpeechTape(std::nullopt, first_sample);
  STENOD_ASSIGN_OR_RETURN(auto finder, SpeechFinder::create(vad, segmenter_options()));
  return SpeechTape(std::move(finder), first_sample);
}

void SpeechTape::push(std::span<const std::int16_t> samples) {
  if (finder_) {
    finder_->push(samples, [this](const vad::SpeechSegment& speech) { splice(speech); });
  } else if (!samples.empty()) {
    append({num_pushed_, num_pushed_ + static_cast<std::int64_t>(samples.size())}, samples);
  }
  num_pushed_ += static_cast<std::int64_t>(samples.size());
}

void SpeechTape::finish() {
  if (finder_) finder_->finish([this](const vad::SpeechSegment& speech) { splice(speech); });
}

void SpeechTape::splice(const vad::SpeechSegment& speech) {
  std::int64_t start = speech.start;
  if (!pieces_.empty()) {
    const std::int64_t previous_end = pieces_.back().piece.end - first_sample_;
    if (start - previous_end < shortest_cut()) start = previous_end;
  }
  append({start, speech.end}, finder_->samples(start, speech.end));
}

void SpeechTape::append(Piece piece, std::span<const std::int16_t> samples) {
  piece = {piece.start + first_sample_, piece.end + first_sample_};
  if (!pieces_.empty() && pieces_.back().piece.end == piece.start) {
    pieces_.back().piece.end = piece.end;
  } else {
    pieces_.push_back({end(), piece});
  }
  samples_.insert(samples_.end(), samples.begin(), samples.end());
}

std::span<const std::int16_t> SpeechTape::samples(std::int64_t position, std::int64_t count) const {
  return std::span(samples_).subspan(static_cast<std::size_t>(position - begin_), static_cast<std::size_t>(count));
}

Window SpeechTape::window(std::int64_t position, std::int64_t count) const {
  Window window;
  for (const Spliced& spliced : pieces_) {
    const std::int64_t from = std::max<std::int64_t>(0, position - spliced.position);
    const std::int64_t to = std::min(spliced.piece.size(), position + count - spliced.position);
    if (from < to) window.pieces.push_back({spliced.piece.start + from, spliced.piece.start + to});
  }
  return window;
}

void SpeechTape::forget(std::int64_t position) {
  position = std::min(position, end());
  if (position <= begin_) return;
  samples_.erase(samples_.begin(), samples_.begin() + (position - begin_));
  begin_ = position;
  // The last piece may yet be joined by the next one.
  while (pieces_.size() > 1 && pieces_.front().position + pieces_.front().piece.size() <= begin_) pieces_.pop_front();
}

std::int64_t SpeechTape::recorded_from(std::int64_t position) const {
  if (position < end()) return window(position, 1).start();
  return first_sample_ + (finder_ ? finder_->undecided_from() : num_pushed_);
}

}  // namespace stenod::transcribe
