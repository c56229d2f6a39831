#pragma once

namespace stenod::text {

/// What GPT-2's pattern tells apart; see pretokenizer.h.
enum class CharacterClass { kOther, kLetter, kNumber, kSpace };

/// \p{L}, \p{N} and \s (White_Space) of Unicode 16, the version that Hugging Face's tokenizers 0.23 go by.
/// Tables of our own: Debian's libraries know an older Unicode, and another version gives other tokens.
CharacterClass character_class(char32_t code_point);

}  // namespace stenod::text
