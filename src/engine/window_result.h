#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "whisper/alignment.h"
#include "whisper/quality.h"

namespace stenod::engine {

/// A stretch of text. Times are seconds from the start of the request's audio.
struct Segment {
  double start_s = 0;
  double end_s = 0;
  std::string text;                      ///< UTF-8, as the model wrote it, with its leading space
  std::vector<int> tokens;               ///< text tokens
  std::vector<whisper::WordSpan> words;  ///< empty unless asked for; `first_token` counts from the window's first token
};

/// Where the time of a request went, in seconds.
struct Timings {
  double queued_s = 0;   ///< until it was first encoded
  double encoded_s = 0;  ///< spent by the encoder on the groups it was in
  double decoded_s = 0;  ///< from encoded to the end of its text, all attempts
};

/// Of text with timestamps: where it leaves off, for whoever goes on from there. See whisper::SeekPoint.
struct Continuation {
  int frame = 0;                 ///< encoder frames from the window's start: where the next window is to begin
  std::size_t num_segments = 0;  ///< complete ones; what stands behind them is to be had again from `frame` on
  bool ends_with_single_timestamp = false;
  std::vector<int> tokens;  ///< of the complete segments, text and timestamps: what was said before the next window
};

/// The text of one window.
struct WindowResult {
  std::vector<Segment> segments;  ///< none when suppressed
  int language_token = -1;        ///< -1 for English-only models
  float language_probability = 1;
  float avg_logprob = 0;
  float no_speech_prob = 0;
  float compression_ratio = 0;
  float temperature = 0;       ///< that the text was decoded at
  float last_temperature = 0;  ///< of the attempts: higher where the warmer ones were no better
  whisper::FinishReason finish = whisper::FinishReason::kEndOfText;
  /// Set: there is no text, for this reason; what was found is in `suppressed_text`.
  std::optional<whisper::QualityIssue> suppressed;
  std::string suppressed_text;
  /// Set: the text is doubtful for this reason, also after all repeats.
  std::optional<whisper::QualityIssue> doubt;
  Continuation continuation;  ///< with Segmentation::kTimestamps; of a suppressed window its end
  int num_attempts = 1;       ///< windows decoded, repeats included
  int window_frames = 0;      ///< encoder frames of the last one
  Timings timings;
};

}  // namespace stenod::engine
