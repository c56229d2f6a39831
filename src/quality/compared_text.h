#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "quality/edit_alignment.h"

namespace stenod::quality {

/// What of a text is compared: its words and characters after normalisation (text/normaliser.h), by the English rules
/// for "en", by the basic ones for other languages. Chinese, Japanese and Korean are compared by character: there each
/// character is a word.
struct ComparedText {
  std::vector<std::string> words;
  std::u32string characters;  ///< words joined by single spaces; by none where each is a character
};

ComparedText compared_text(std::string_view text, std::string_view language);

struct TextErrors {
  EditCounts words;
  std::size_t characters = 0;  ///< of the reference
  std::size_t character_errors = 0;
};

TextErrors compare(const ComparedText& reference, const ComparedText& hypothesis);

/// An alignment of words; see align().
std::vector<Edit> align_words(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis);

}  // namespace stenod::quality
