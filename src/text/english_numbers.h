#pragma once

#include <string>
#include <string_view>

namespace stenod::text {

/// Numbers of English text in one form, as openai-whisper's EnglishNumberNormalizer writes them: "twenty five dollars"
/// is
/// "$25", "nineteen eighty four" 1984, "twenty first" 21st, "double oh seven" 007, "three and a half million" 3500000,
/// "two percent" 2%; words are joined by single spaces. `text` is in lower case, without symbols but . % $ ¢ € £, in
/// the form that NFKD leaves. Numbers have any length.
std::u32string with_numbers_in_digits(std::u32string_view text);

}  // namespace stenod::text
