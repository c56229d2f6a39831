#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace stenod::text {

struct WordTokens {
  std::string word;  ///< valid UTF-8; empty for special tokens other than timestamps
  std::vector<int> tokens;
};

/// Splits decoded tokens into words as openai-whisper and faster-whisper do: at spaces and ASCII punctuation, or in
/// languages written without spaces at every position where the tokens so far are whole characters. A special token
/// begins a word. The words' tokens are `tokens`, in order, except for a last group that ends inside a
/// character that the whole text has complete; that can only come from ill-formed text and is left out.
std::vector<WordTokens> split_to_words(const Tokenizer& tokenizer, std::span<const int> tokens,
                                       std::string_view language_code);

inline constexpr std::string_view kPrependedPunctuation = "\"'“¿([{-";
inline constexpr std::string_view kAppendedPunctuation = "\"'.。,，!！?？:：”)]}、";

/// The most marks that are taken from outside.
inline constexpr std::size_t kMaxPunctuationBytes = 256;

/// Punctuation that belongs to a word.
struct Punctuations {
  std::string prepended{kPrependedPunctuation};  ///< to the word after it
  std::string appended{kAppendedPunctuation};    ///< to the word before it

  bool operator==(const Punctuations&) const = default;
};

/// Joins opening punctuation to the word after it and closing punctuation to the word before it. An entry that was
/// joined away stays in its place with empty word and tokens, so that times held beside the words keep their index.
void merge_punctuations(std::span<WordTokens> words, std::string_view prepended = kPrependedPunctuation,
                        std::string_view appended = kAppendedPunctuation);

}  // namespace stenod::text
