#pragma once

#include <vector>

namespace stenod::whisper {

/// Ids of the tokens that steer Whisper. The order of ids is the same in every model: text tokens, `end_of_text`, the
/// other special tokens, timestamps up to the end of the vocabulary.
struct SpecialTokens {
  int end_of_text = 0;
  int start_of_transcript = 0;
  std::vector<int> languages;  ///< of an English-only model: none, and the prompt names neither language nor task
  int transcribe = 0;
  int translate = 0;
  int start_of_previous = 0;  ///< before the text that was said before the window
  int no_speech = 0;
  int no_timestamps = 0;
  int timestamp_begin = 0;  ///< <|0.00|>; each further token is 20 ms later, up to 30 s

  bool multilingual() const { return !languages.empty(); }
  bool is_text(int token) const { return token < end_of_text; }
  bool is_timestamp(int token) const { return token >= timestamp_begin; }
};

}  // namespace stenod::whisper
