#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transcribe/recogniser.h"
#include "whisper/decoding_options.h"

namespace stenod::transcribe {

/// How text is to be found and what it is to look like, in users' words: the same for files and for live streams, and
/// with the meaning that faster-whisper's options of these names have.
struct DecodingSettings {
  whisper::SearchOptions search;
  std::string initial_prompt;  ///< taken for what was said before: names, style, punctuation
  std::string hotwords;        ///< words that are likely to be said; stand before the prompt
  std::string prefix;          ///< what a window's text begins with
  /// Tokens that are never written; -1 stands for the model's own list. Absent: that list.
  std::optional<std::vector<int>> suppress_tokens;
  bool suppress_blank = true;                     ///< no text may begin with a blank or be empty
  std::optional<double> max_initial_timestamp_s;  ///< of a window, where the model writes them; absent: Whisper's 1 s
  whisper::QualityThresholds thresholds;
};

/// A beam of 5, and temperatures from 0 to 1 where its text is doubtful: as faster-whisper and openai-whisper have it.
DecodingSettings default_file_decoding();

/// DecodingSettings in the tokens of a model, for its engine.
struct DecodingPlan {
  whisper::DecodingOptions options;  ///< search, suppressed tokens, thresholds, prefix, and a prompt of both below
  std::vector<int> hotwords;
  std::vector<int> initial_prompt;
};

/// Error: kInvalidArgument with the setting's name: a token that the model doesn't have or can't do without. Values of
/// the search, and whether prefix and prompt are too long together, are checked by the engine.
Result<DecodingPlan> plan_decoding(const DecodingSettings& settings, const Recogniser& recogniser);

/// Hotwords and what was said before them as one prompt of at most `max_tokens`: of what was said the last ones, of the
/// hotwords the first ones, for which up to half of that is kept.
std::vector<int> join_prompt(std::span<const int> hotwords, std::span<const int> previous, int max_tokens);
/// The longest prompt of a model with so many text positions.
constexpr int max_prompt_tokens(int max_text_positions) { return max_text_positions / 2 - 1; }

/// Text as it follows other text: with one space before it, and none behind it. Blank text has no tokens.
std::vector<int> encode_stripped(const text::Tokenizer& tokenizer, std::string_view text);

}  // namespace stenod::transcribe
