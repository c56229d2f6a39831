#include "text/unicode.h"

#include <utf8proc.h>

#include <new>

#include "text/utf8.h"

namespace stenod::text {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// The property Cased: what has upper and lower case, or looks like it.
bool is_cased(char32_t c) {
  const utf8proc_category_t kind = category(c);
  if (kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT) return true;
  return c == 0xAA || c == 0xBA || (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

/// The property Case_Ignorable: what does not end a word where its case is concerned.
bool is_case_ignorable(char32_t c) {
  constexpr std::u32string_view kInsideWords =
      U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55"
      U"\uFF07\uFF0E\uFF1A";
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return kInsideWords.find(c) != kInsideWords.npos;
  }
}

/// Whether the capital sigma at `position` ends a word: something cased before it, and nothing cased after it.
bool is_final_sigma(std::u32string_view text, std::size_t position) {
  std::size_t before = position;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  std::size_t after = position + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

std::u32string to_form(std::u32string_view text, int extra_options) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPAT | extra_options);
  const std::string bytes = to_utf8(text);
  const auto* const begin = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  const auto size = static_cast<utf8proc_ssize_t>(bytes.size());
  const utf8proc_ssize_t needed = utf8proc_decompose(begin, size, nullptr, 0, options);
  // Valid UTF-8 leaves one error: a text whose form is beyond the range of sizes.
  if (needed < 0) throw std::bad_alloc();
  std::u32string out(static_cast<std::size_t>(needed) + 1, U'\0');
  auto* const buffer = reinterpret_cast<utf8proc_int32_t*>(out.data());
  utf8proc_decompose(begin, size, buffer, needed, options);
  out.resize(static_cast<std::size_t>(utf8proc_normalize_utf32(buffer, needed, options)));
  return out;
}

}  // namespace

MajorCategory major_category(char32_t c) {
  // utf8proc's categories stand in the order of the standard's table.
  const utf8proc_category_t kind = category(c);
  if (kind == UTF8PROC_CATEGORY_CN) return MajorCategory::kOther;
  if (kind <= UTF8PROC_CATEGORY_LO) return MajorCategory::kLetter;
  if (kind <= UTF8PROC_CATEGORY_ME) return MajorCategory::kMark;
  if (kind <= UTF8PROC_CATEGORY_NO) return MajorCategory::kNumber;
  if (kind <= UTF8PROC_CATEGORY_PO) return MajorCategory::kPunctuation;
  if (kind <= UTF8PROC_CATEGORY_SO) return MajorCategory::kSymbol;
  if (kind <= UTF8PROC_CATEGORY_ZP) return MajorCategory::kSeparator;
  return MajorCategory::kOther;
}

bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_decimal_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

int digit_value(char32_t c) {
  // Each script's ten digits follow one another; no other digit stands right before them.
  int value = 0;
  while (value < 9 && is_decimal_digit(c - static_cast<char32_t>(value) - 1)) ++value;
  return value;
}

bool is_word_character(char32_t c) {
  const MajorCategory kind = major_category(c);
  return kind == MajorCategory::kLetter || kind == MajorCategory::kNumber || c == U'_';
}

bool is_word_boundary(std::u32string_view text, std::size_t position) {
  const bool before = position > 0 && is_word_character(text[position - 1]);
  const bool after = position < text.size() && is_word_character(text[position]);
  return before != after;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x0130) {  // capital I with dot: the one character whose lower case is two
      out += U"i\u0307";
    } else if (text[i] == 0x03A3) {
      out += is_final_sigma(text, i) ? 0x03C2 : 0x03C3;
    } else {
      out += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(text[i])));
    }
  }
  return out;
}

std::u32string to_nfkd(std::u32string_view text) { return to_form(text, UTF8PROC_DECOMPOSE); }

std::u32string to_nfkc(std::u32string_view text) { return to_form(text, UTF8PROC_COMPOSE); }

}  // namespace stenod::text
