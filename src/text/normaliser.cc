#include "text/normaliser.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "text/english_numbers.h"
#include "text/english_spelling.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

bool is_ascii_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != set.npos; }

// Each function is one pass of the rules. A match is taken from left to right and never overlaps the one before it.

/// What stands between brackets, and the brackets.
std::u32string remove_brackets(std::u32string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find_first_of(U"<["), text.size());
    const std::size_t close = text.find_first_of(U">]", open);
    if (close == text.npos) return out.append(text);
    out.append(text.substr(0, open));
    text.remove_prefix(close + 1);
  }
  return out;
}

/// What stands between parentheses, at least one character, and the parentheses.
std::u32string remove_parentheses(std::u32string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find(U'('), text.size());
    const std::size_t close = text.find(U')', open);
    if (close == text.npos) return out.append(text);
    const bool is_empty = close == open + 1;
    out.append(text.substr(0, is_empty ? close : open));
    text.remove_prefix(is_empty ? close : close + 1);
  }
  return out;
}

std::u32string remove_hesitations(std::u32string_view text) {
  constexpr std::array<std::u32string_view, 6> kHesitations = {U"hmm", U"mm", U"mhm", U"mmm", U"uh", U"um"};
  std::u32string out;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && is_word_character(text[end])) ++end;
    const std::u32string_view word = text.substr(begin, end - begin);
    if (std::find(kHesitations.begin(), kHesitations.end(), word) == kHesitations.end()) out += word;
    if (end < text.size()) out += text[end++];
    begin = end;
  }
  return out;
}

std::u32string remove_space_before_apostrophes(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c == U'\'') {
      while (!out.empty() && is_white_space(out.back())) out.pop_back();
    }
    out += c;
  }
  return out;
}

struct Replacement {
  std::u32string_view from, to;
  bool whole = true;  ///< begins at the border of a word; all end at one
};

// In this order: a later one sees what an earlier one left.
constexpr Replacement kReplacements[] = {
    {U"won't", U"will not"},
    {U"can't", U"can not"},
    {U"let's", U"let us"},
    {U"ain't", U"aint"},
    {U"y'all", U"you all"},
    {U"wanna", U"want to"},
    {U"kinda", U"kind of"},
    {U"sorta", U"sort of"},
    {U"dunno", U"do not know"},
    {U"gotta", U"got to"},
    {U"gonna", U"going to"},
    {U"i'ma", U"i am going to"},
    {U"imma", U"i am going to"},
    {U"woulda", U"would have"},
    {U"coulda", U"could have"},
    {U"shoulda", U"should have"},
    {U"cause", U"because"},
    {U"ma'am", U"madam"},
    // Titles
    {U"mr", U"mister "},
    {U"mrs", U"missus "},
    {U"st", U"saint "},
    {U"dr", U"doctor "},
    {U"prof", U"professor "},
    {U"capt", U"captain "},
    {U"gov", U"governor "},
    {U"ald", U"alderman "},
    {U"gen", U"general "},
    {U"sen", U"senator "},
    {U"rep", U"representative "},
    {U"pres", U"president "},
    {U"rev", U"reverend "},
    {U"hon", U"honorable "},
    {U"asst", U"assistant "},
    {U"assoc", U"associate "},
    {U"lt", U"lieutenant "},
    {U"col", U"colonel "},
    {U"jr", U"junior "},
    {U"sr", U"senior "},
    {U"esq", U"esquire "},
    // Perfect tenses
    {U"'d been", U" had been", false},
    {U"'s been", U" has been", false},
    {U"'d gone", U" had gone", false},
    {U"'s gone", U" has gone", false},
    {U"'d done", U" had done", false},
    {U"'s got", U" has got", false},
    // Contractions of any word
    {U"n't", U" not", false},
    {U"'re", U" are", false},
    {U"'s", U" is", false},
    {U"'d", U" would", false},
    {U"'ll", U" will", false},
    {U"'t", U" not", false},
    {U"'ve", U" have", false},
    {U"'m", U" am", false},
};

std::u32string replace_words(std::u32string_view text, const Replacement& replacement) {
  std::u32string out;
  std::size_t begin = 0;
  std::size_t at = 0;
  while ((at = text.find(replacement.from, at)) != text.npos) {
    const std::size_t end = at + replacement.from.size();
    if ((replacement.whole && !is_word_boundary(text, at)) || !is_word_boundary(text, end)) {
      ++at;
      continue;
    }
    out.append(text.substr(begin, at - begin)).append(replacement.to);
    begin = at = end;
  }
  return out.append(text.substr(begin));
}

/// "1,000" becomes "1000".
std::u32string remove_commas_in_numbers(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (i + 2 < text.size() && text[i + 1] == U',' && is_decimal_digit(text[i]) && is_decimal_digit(text[i + 2])) {
      out += text[i + 2];
      i += 2;
    }
  }
  return out;
}

/// Periods that no digit follows become spaces.
std::u32string remove_periods(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_decimal_point = text[i] == U'.' && i + 1 < text.size() && is_ascii_digit(text[i + 1]);
    if (text[i] != U'.' || is_decimal_point) {
      out += text[i];
      continue;
    }
    out += U' ';
    if (++i < text.size()) out += text[i];
  }
  return out;
}

/// Letters that NFKD leaves whole.
std::u32string_view without_diacritic(char32_t c) {
  switch (c) {
    case U'œ':
      return U"oe";
    case U'Œ':
      return U"OE";
    case U'ø':
      return U"o";
    case U'Ø':
      return U"O";
    case U'æ':
      return U"ae";
    case U'Æ':
      return U"AE";
    case U'ß':
      return U"ss";
    case U'ẞ':
      return U"SS";
    case U'đ':
    case U'ð':
      return U"d";
    case U'Đ':
    case U'Ð':
      return U"D";
    case U'þ':
    case U'Þ':
      return U"th";
    case U'ł':
      return U"l";
    case U'Ł':
      return U"L";
    default:
      return {};
  }
}

bool is_symbol(char32_t c) {
  const MajorCategory kind = major_category(c);
  return kind == MajorCategory::kMark || kind == MajorCategory::kSymbol || kind == MajorCategory::kPunctuation;
}

std::u32string remove_symbols(std::u32string_view text) {
  std::u32string out = to_nfkc(text);
  std::replace_if(out.begin(), out.end(), is_symbol, U' ');
  return out;
}

std::u32string remove_symbols_and_diacritics(std::u32string_view text, std::u32string_view keep) {
  std::u32string out;
  for (const char32_t c : to_nfkd(text)) {
    if (const std::u32string_view letters = without_diacritic(c); !letters.empty()) {
      out += letters;
    } else if (is_one_of(c, keep) || !is_symbol(c)) {
      out += c;
    } else if (!is_nonspacing_mark(c)) {
      out += U' ';
    }
  }
  return out;
}

std::u32string collapse_space(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (!is_white_space(c)) {
      out += c;
    } else if (out.empty() || out.back() != U' ') {
      out += U' ';
    }
  }
  return out;
}

std::u32string american_spellings(std::u32string_view text) {
  std::u32string out;
  const std::string words = to_utf8(text);
  std::string_view rest = words;
  while (!(rest = strip(rest)).empty()) {
    std::size_t size = 0;
    while (size < rest.size()) {
      const Utf8Unit unit = read_utf8(rest.substr(size));
      if (is_white_space(unit.code_point)) break;
      size += unit.size;
    }
    if (!out.empty()) out += U' ';
    out += to_code_points(american_spelling(rest.substr(0, size)));
    rest.remove_prefix(size);
  }
  return out;
}

/// A space before a period or currency that no digit follows.
std::u32string separate_prefixes(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_stray = is_one_of(text[i], U".$¢€£") && i + 1 < text.size() && !is_ascii_digit(text[i + 1]);
    out += is_stray ? U' ' : text[i];
    if (is_stray) out += text[++i];
  }
  return out;
}

/// A space instead of a percent sign that follows no digit.
std::u32string separate_percent(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (is_ascii_digit(text[i]) || i + 1 == text.size() || text[i + 1] != U'%') continue;
    out += U' ';
    ++i;
  }
  return out;
}

std::u32string without_asides(std::string_view text) {
  return remove_parentheses(remove_brackets(lower_case(to_code_points(text))));
}

}  // namespace

std::string normalise_basic(std::string_view text) {
  return to_utf8(collapse_space(lower_case(remove_symbols(without_asides(text)))));
}

std::string normalise_english(std::string_view text) {
  std::u32string out = remove_space_before_apostrophes(remove_hesitations(without_asides(text)));
  for (const Replacement& replacement : kReplacements) out = replace_words(out, replacement);
  out = remove_periods(remove_commas_in_numbers(out));
  out = remove_symbols_and_diacritics(out, U".%$¢€£");
  out = american_spellings(with_numbers_in_digits(out));
  return to_utf8(collapse_space(separate_percent(separate_prefixes(out))));
}

}  // namespace stenod::text
