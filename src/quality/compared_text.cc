#include "quality/compared_text.h"

#include <algorithm>
#include <unordered_map>

#include "text/language.h"
#include "text/normaliser.h"
#include "text/utf8.h"

namespace stenod::quality {
namespace {

bool is_compared_by_character(std::string_view language) {
  return language == "ko" || text::is_written_without_spaces(language);
}

Symbols symbols_of(const std::u32string& characters) {
  static_assert(sizeof(char32_t) == sizeof(std::uint32_t));
  return {reinterpret_cast<const std::uint32_t*>(characters.data()), characters.size()};
}

}  // namespace

ComparedText compared_text(std::string_view text, std::string_view language) {
  const std::string normal = language == "en" ? text::normalise_english(text) : text::normalise_basic(text);
  ComparedText out;
  if (is_compared_by_character(language)) {
    for (const char32_t c : text::to_code_points(normal)) {
      if (c == U' ') continue;
      out.characters += c;
      text::append_utf8(out.words.emplace_back(), c);
    }
    return out;
  }
  // The normalisers leave no white space but single spaces.
  for (std::size_t begin = 0; begin < normal.size();) {
    const std::size_t end = std::min(normal.find(' ', begin), normal.size());
    if (end > begin) out.words.push_back(normal.substr(begin, end - begin));
    begin = end + 1;
  }
  out.characters = text::to_code_points(text::strip(normal));
  return out;
}

TextErrors compare(const ComparedText& reference, const ComparedText& hypothesis) {
  return {count_edits(align_words(reference.words, hypothesis.words)), reference.characters.size(),
          edit_distance(symbols_of(reference.characters), symbols_of(hypothesis.characters))};
}

std::vector<Edit> align_words(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis) {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  const auto symbols = [&](const std::vector<std::string>& words) {
    std::vector<std::uint32_t> out;
    out.reserve(words.size());
    for (const std::string& word : words) {
      out.push_back(numbers.emplace(word, static_cast<std::uint32_t>(numbers.size())).first->second);
    }
    return out;
  };
  const auto reference_symbols = symbols(reference);
  const auto hypothesis_symbols = symbols(hypothesis);
  return align(reference_symbols, hypothesis_symbols);
}

}  // namespace stenod::quality
