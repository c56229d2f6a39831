#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "vad/silero_vad.h"
#include "vad/speech_segmenter.h"

namespace stenod::transcribe {

/// Finds the stretches of speech in the samples of one channel, and holds the samples as long as they may be part of
/// one: about a minute at most. One thread.
class SpeechFinder {
 public:
  /// `vad` may be null: then all is speech, cut where it is most quiet. It must outlive the finder. Options are for the
  /// detector's probabilities; with a max_speech_s of 30 at most.
  static Result<SpeechFinder> create(const vad::SileroVad* vad, const vad::SegmenterOptions& options);

  /// Called with each stretch in order. It may ask for the samples from the end of the one before on.
  using OnSpeech = std::function<void(const vad::SpeechSegment&)>;
  void push(std::span<const std::int16_t> samples, const OnSpeech& on_speech);
  /// The channel is over: the rest.
  void finish(const OnSpeech& on_speech);

  std::span<const std::int16_t> samples(std::int64_t start, std::int64_t end) const;
  /// The detector's highest probability in [start, end); 1 without a detector.
  float speech_peak(std::int64_t start, std::int64_t end) const;

  /// No later stretch starts before this sample. Never falls.
  std::int64_t undecided_from() const;
  std::int64_t num_samples() const { return first_sample_ + static_cast<std::int64_t>(samples_.size()); }

 private:
  SpeechFinder(const vad::SileroVad* vad, vad::SpeechSegmenter segmenter);

  void judge(bool last);
  void cut_without_vad(bool last);
  void give_out(const OnSpeech& on_speech);
  void forget();

  const vad::SileroVad* vad_;
  vad::SpeechSegmenter segmenter_;
  vad::VadState vad_state_;
  vad::SileroVad::Scratch scratch_;
  std::vector<std::int16_t> samples_;  ///< from first_sample_ on
  std::int64_t first_sample_ = 0;
  std::int64_t num_judged_ = 0;       ///< samples that the detector has seen, or that were cut
  std::int64_t needed_from_ = 0;      ///< end of the last speech given out
  std::vector<float> probabilities_;  ///< one a chunk that was judged, from the one with first_sample_ on
  std::vector<float> chunk_samples_;
  std::vector<vad::SpeechSegment> found_;
};

}  // namespace stenod::transcribe
