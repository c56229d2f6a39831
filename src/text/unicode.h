#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stenod::text {

// What Unicode says about characters, and its forms of texts, for the comparison of texts. The data are utf8proc's.
// White space is in utf8.h; the tokenizer, which must go by one version of Unicode, has unicode_classes.h.

/// The first letter of a code point's general category (Unicode 15, table 4-4).
enum class MajorCategory { kLetter, kMark, kNumber, kPunctuation, kSymbol, kSeparator, kOther };
MajorCategory major_category(char32_t c);

/// Category Mn: accents and the like.
bool is_nonspacing_mark(char32_t c);
/// Category Nd: 0 to 9 in any script.
bool is_decimal_digit(char32_t c);
/// 0 to 9. Precondition: is_decimal_digit(c), and c is as NFKD leaves it.
int digit_value(char32_t c);

/// What Python's and other engines' \w matches: letters, numbers and '_'.
bool is_word_character(char32_t c);
/// What \b matches: whether one of the characters before and after `position` belongs to a word and the other does not.
bool is_word_boundary(std::u32string_view text, std::size_t position);

/// In lower case, by the rules that depend on no language (Unicode 15, section 3.13): a capital sigma at the end of a
/// word becomes the final form.
std::u32string lower_case(std::u32string_view text);

// Compatibility forms (https://unicode.org/reports/tr15/): letters and marks apart, or composed. Code points that are
// no Unicode scalar values become U+FFFD.
std::u32string to_nfkd(std::u32string_view text);
std::u32string to_nfkc(std::u32string_view text);

}  // namespace stenod::text
