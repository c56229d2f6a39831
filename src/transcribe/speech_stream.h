#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audio/features.h"
#include "audio/log_mel.h"
#include "base/result.h"
#include "transcribe/speech_finder.h"
#include "transcribe/window_packer.h"
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

/// Takes off the last frames of a full window, which see beyond its 30 s.
void limit_to_window(audio::LogMel& features);

/// What is said after a longer pause has little to do with what was said before.
inline constexpr std::int64_t kMaxPauseSamples = 10 * audio::kSampleRate;

/// One channel of a recording, from samples to windows of speech. Holds at most about a minute of samples. One thread.
class SpeechStream {
 public:
  /// `vad` may be null: then all is speech, cut where it is most quiet. It must outlive the stream. A longer pause than
  /// `max_pause_samples` ends a window.
  static Result<SpeechStream> create(const vad::SileroVad* vad, int num_mels,
                                     std::int64_t max_pause_samples = kMaxPauseSamples);

  /// The next samples; appends the windows that they complete.
  void push(std::span<const std::int16_t> samples, std::vector<SpeechWindow>& windows);
  /// The recording is over; appends the rest.
  void finish(std::vector<SpeechWindow>& windows);

  /// No later window starts before this sample. Never falls.
  std::int64_t settled_samples() const;

  std::int64_t num_samples() const { return finder_.num_samples(); }

 private:
  SpeechStream(SpeechFinder finder, int num_mels, std::int64_t max_pause_samples);

  void pack(const vad::SpeechSegment& speech, std::vector<SpeechWindow>& windows);
  SpeechWindow complete(Window window);

  SpeechFinder finder_;
  WindowPacker packer_;
  audio::LogMelExtractor extractor_;  ///< of the window that is being packed
  audio::LogMel features_;
  float window_peak_ = 0;
};

}  // namespace stenod::transcribe
