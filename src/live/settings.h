#pragma once

#include <optional>
#include <string>

#include "audio/stream_decoder.h"
#include "base/result.h"
#include "whisper/decoding_options.h"

namespace stenod::live {

enum class Chunking {
  kVad,    ///< utterances end where nobody speaks
  kFixed,  ///< pieces of one length that overlap, whatever is said
};

/// What a client may choose for its session.
struct SessionSettings {
  audio::StreamFormat format;
  std::optional<std::string> language;  ///< Whisper's code; absent: found out
  whisper::Task task = whisper::Task::kTranscribe;
  std::string prompt;              ///< taken for what was said before: names, style, punctuation
  std::string hotwords;            ///< words that are likely to be said
  int beam_size = 1;               ///< hypotheses of finals that are followed at once; partials are greedy
  bool words = false;              ///< finals carry words with their times
  int partial_interval_ms = 1000;  ///< 400 at most in an utterance's first three seconds; 0: no partials
  double vad_threshold = 0.5;
  int silence_ms = 500;     ///< ends an utterance; 200 more in mid-sentence
  int min_speech_ms = 300;  ///< less is taken for a noise
  Chunking chunking = Chunking::kVad;
  double chunk_s = 3;
  double overlap_s = 0.5;
  bool full_transcript = true;  ///< finals carry all text so far
};

/// What a server lets its clients choose from.
struct SessionLimits {
  int min_partial_interval_ms = 100, max_partial_interval_ms = 10000;
  int min_silence_ms = 100, max_silence_ms = 5000;
  int min_min_speech_ms = 0, max_min_speech_ms = 5000;
  double min_vad_threshold = 0.05, max_vad_threshold = 0.95;
  double min_chunk_s = 1, max_chunk_s = 25;
  int max_beam_size = 5;
  int max_prompt_bytes = 2000;  ///< of a prompt, and of hotwords
};

/// kInvalidArgument, with the setting as `param`.
Status check_settings(const SessionSettings& settings, const SessionLimits& limits);

}  // namespace stenod::live
