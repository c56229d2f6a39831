#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include "engine/window_result.h"

namespace stenod::transcribe {

/// What text that may be made up is judged by. Seconds.
struct SpokenContext {
  double threshold_s = 0;                                  ///< silence that is longer may have been written over
  double window_start_s = 0;                               ///< from the start of what is transcribed, as the two below
  double last_speech_s = 0;                                ///< end of the last word before the window
  double end_s = std::numeric_limits<double>::infinity();  ///< of all that there is to transcribe, where it is known
  double window_s = 0;                                     ///< length of the window's audio
};

/// What to do about it.
struct HallucinationSkip {
  std::size_t num_segments;  ///< those to keep, from the first on
  double next_s;             ///< where the next window is to begin, from the start of this one
};

/// Finds segments of improbable words between silences: text that was made up about silence. Nothing when there are
/// none. The rules of `hallucination_silence_threshold` in faster-whisper's transcribe.py, from openai-whisper's.
/// Segments' and words' times count from the window's start.
std::optional<HallucinationSkip> find_hallucination(std::span<const engine::Segment> segments,
                                                    const SpokenContext& context);

}  // namespace stenod::transcribe
