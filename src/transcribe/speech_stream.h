#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audio/features.h"
#include "audio/log_mel.h"
#include "base/result.h"
#include "transcribe/window_packer.h"
#include "vad/silero_vad.h"
#include "vad/speech_segmenter.h"
#include "whisper/decoding_options.h"

namespace stenod::transcribe {

/// A window with its log-mel frames, ready for the engine.
struct SpeechWindow {
  Window window;
  audio::LogMel features;
  /// The detector's highest probability of speech in it; 1 without a detector. Clear speech, if only one syllable of
  /// it, comes near 1.
  float speech_peak = 1;
};

/// Speech, be it one word, brings the detector's probability near 1; animals, bells and voices in music stay below
/// this.
inline constexpr float kClearSpeech = 0.8f;

/// When to doubt the text of a window with this highest probability of speech: without clear speech the model's own
/// doubts count sooner than `clear` says.
whisper::QualityThresholds thresholds_for(float speech_peak, const whisper::QualityThresholds& clear = {});

/// One channel of a recording, from samples to windows of speech. Holds at most about a minute of samples. One thread.
class SpeechStream {
 public:
  /// `vad` may be null: then all is speech, cut where it is most quiet. It must outlive the stream.
  static Result<SpeechStream> create(const vad::SileroVad* vad, int num_mels);

  /// The next samples; appends the windows that they complete.
  void push(std::span<const std::int16_t> samples, std::vector<SpeechWindow>& windows);
  /// The recording is over; appends the rest.
  void finish(std::vector<SpeechWindow>& windows);

  /// No later window starts before this sample. Never falls.
  std::int64_t settled_samples() const;

  std::int64_t num_samples() const { return first_sample_ + static_cast<std::int64_t>(samples_.size()); }

 private:
  SpeechStream(const vad::SileroVad* vad, vad::SpeechSegmenter segmenter, int num_mels);

  std::int64_t undecided_from() const;
  void judge(bool last, std::vector<vad::SpeechSegment>& segments);
  void cut_without_vad(bool last, std::vector<vad::SpeechSegment>& segments);
  void pack(std::span<const vad::SpeechSegment> segments, bool last, std::vector<SpeechWindow>& windows);
  float speech_peak(const Piece& piece) const;
  SpeechWindow complete(Window window);
  void forget();

  const vad::SileroVad* vad_;
  vad::SpeechSegmenter segmenter_;
  vad::VadState vad_state_;
  vad::SileroVad::Scratch scratch_;
  WindowPacker packer_;
  audio::LogMelExtractor extractor_;  ///< of the window that is being packed
  audio::LogMel features_;
  float window_peak_ = 0;

  std::vector<std::int16_t> samples_;  ///< from first_sample_ on
  std::int64_t first_sample_ = 0;
  std::int64_t num_judged_ = 0;       ///< samples that the detector has seen, or that were cut
  std::int64_t needed_from_ = 0;      ///< end of the last speech given out
  std::vector<float> probabilities_;  ///< one a chunk that was judged, from the one with first_sample_ on
  std::vector<float> chunk_samples_;
};

}  // namespace stenod::transcribe
