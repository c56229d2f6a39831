#pragma once

#include <vector>

#include "text/tokenizer.h"

namespace stenod::text {

/// What Whisper's decoding leaves out where a model's configuration says nothing else: tokens of what is not spoken
/// (brackets, notes, speakers' dashes), and the special tokens that are no text. Ascending.
/// Source: Tokenizer.non_speech_tokens and DecodingTask in https://github.com/openai/whisper, which the configurations
/// of OpenAI's models repeat.
std::vector<int> standard_suppressed_tokens(const Tokenizer& tokenizer);

/// What may not come first: a space alone, and the end of the text.
std::vector<int> standard_suppressed_begin_tokens(const Tokenizer& tokenizer);

}  // namespace stenod::text
