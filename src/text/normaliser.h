#pragma once

#include <string>
#include <string_view>

namespace stenod::text {

// Texts in the form in which they are compared for word error rates: two texts that say the same are to become equal.
// The rules are those of Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (arXiv
// 2212.04356), appendix C, as openai-whisper has them, to the letter: error rates are compared with those of other
// programs. The words of a result stand between white space; it may begin or end with some. Ill-formed UTF-8 becomes
// U+FFFD.

/// For any language: lower case, no […], <…> and (…), no symbols, marks and punctuation.
std::string normalise_basic(std::string_view text);

/// For English: besides, no hesitations ("uh"), contractions and titles written out, numbers in digits, no diacritics,
/// American spelling.
std::string normalise_english(std::string_view text);

}  // namespace stenod::text
