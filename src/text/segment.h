#pragma once

#include <optional>
#include <string>
#include <vector>

namespace stenod::text {

// What a transcription is made of. Times are seconds from the start of the original audio; texts are UTF-8.

struct Word {
  std::string word;  ///< with its leading space and attached punctuation, as decoded
  double start = 0;
  double end = 0;
  float probability = 0;  ///< mean over its tokens
};

struct Segment {
  double start = 0;
  double end = 0;
  std::string text;
  float avg_logprob = 0;                     ///< mean log-probability of its window's tokens
  float no_speech_prob = 0;                  ///< of its window
  float compression_ratio = 0;               ///< of its window's text, see compression_ratio.h
  float temperature = 0;                     ///< that its window was decoded with
  std::vector<Word> words = {};              ///< empty unless word times were asked for
  std::optional<int> channel = {};           ///< from 0; set when channels are transcribed apart
  std::optional<std::string> language = {};  ///< of its window; set when each is detected for itself
};

/// Audio that was decoded but whose text is not given out, and why.
struct DroppedInterval {
  double start = 0;
  double end = 0;
  std::string reason;  ///< a stable snake_case name, for instance "no_speech"
  std::string text;    ///< what is not given out; may be empty
  std::optional<int> channel = {};
};

struct Transcript {
  std::string text;      ///< of all segments
  std::string language;  ///< Whisper's code, see language.h; empty when there was nothing to tell it from
  float language_probability = 0;
  double duration = 0;  ///< of the audio
  std::vector<Segment> segments;
  std::vector<DroppedInterval> dropped;
  bool interrupted = false;  ///< stopped before the audio's end: what was finished, without gaps
};

}  // namespace stenod::text
