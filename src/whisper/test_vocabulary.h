#pragma once

#include <vector>

#include "whisper/special_tokens.h"

namespace stenod::whisper {

/// A small vocabulary in Whisper's order, for tests: 50 text tokens, then the special ones, then 1501 timestamps.
inline SpecialTokens test_tokens() {
  SpecialTokens tokens;
  tokens.end_of_text = 50;
  tokens.start_of_transcript = 51;
  tokens.languages = {52, 53};
  tokens.translate = 54;
  tokens.transcribe = 55;
  tokens.start_of_previous = 56;
  tokens.no_speech = 57;
  tokens.no_timestamps = 58;
  tokens.timestamp_begin = 59;
  return tokens;
}
inline constexpr int kTestVocabSize = 59 + 1501;

inline std::vector<float> flat_logits(float value = 0) { return std::vector<float>(kTestVocabSize, value); }

}  // namespace stenod::whisper
