#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "transcribe/speech_finder.h"
#include "transcribe/window_packer.h"

namespace stenod::transcribe {

/// The speech of one channel as one tape, silence cut out, to be read from any position that has not been forgotten.
/// Positions count the tape's samples. What is cut out is what faster-whisper's `vad_filter` removes: silence of 2 s
/// and more, but for 0.4 s on both sides. Holds at most about a minute beside what its reader has not forgotten. One
/// thread.
class SpeechTape {
 public:
  /// `vad` may be null: then nothing is cut out. It must outlive the tape. `first_sample`: the recording's sample that
  /// is pushed first.
  static Result<SpeechTape> create(const vad::SileroVad* vad, std::int64_t first_sample);

  void push(std::span<const std::int16_t> samples);
  /// Nothing more comes.
  void finish();

  /// Behind the last sample so far.
  std::int64_t end() const { return begin_ + static_cast<std::int64_t>(samples_.size()); }
  std::span<const std::int16_t> samples(std::int64_t position, std::int64_t count) const;
  /// Where they were in the recording. `count` is at least 1.
  Window window(std::int64_t position, std::int64_t count) const;
  /// What lies before is not needed any more.
  void forget(std::int64_t position);

  /// The recording's sample before which nothing from `position` on lies.
  std::int64_t recorded_from(std::int64_t position) const;

 private:
  SpeechTape(std::optional<SpeechFinder> finder, std::int64_t first_sample)
      : finder_(std::move(finder)), first_sample_(first_sample) {}

  void splice(const vad::SpeechSegment& speech);
  void append(Piece piece, std::span<const std::int16_t> samples);

  /// A piece of the recording, and where it is on the tape.
  struct Spliced {
    std::int64_t position;
    Piece piece;
  };

  std::optional<SpeechFinder> finder_;
  std::int64_t first_sample_;
  std::int64_t num_pushed_ = 0;
  std::deque<Spliced> pieces_;         ///< those that begin_ lies in or before; the last one even if it lies behind
  std::vector<std::int16_t> samples_;  ///< from begin_ on
  std::int64_t begin_ = 0;
};

}  // namespace stenod::transcribe
