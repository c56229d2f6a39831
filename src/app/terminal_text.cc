#include "app/terminal_text.h"

#include <algorithm>
#include <vector>

#include "text/character_width.h"
#include "text/utf8.h"

namespace stenod::app {
namespace {

struct Character {
  std::size_t offset;
  int columns;
};

std::vector<Character> characters(std::string_view text) {
  const text::CharacterWidth width;
  std::vector<Character> out;
  std::size_t offset = 0;
  while (offset < text.size()) {
    const text::Utf8Unit unit = text::read_utf8(text.substr(offset));
    out.push_back({offset, width(unit.code_point)});
    offset += unit.size;
  }
  return out;
}

}  // namespace

int count_columns(std::string_view utf8) {
  int columns = 0;
  for (const Character& character : characters(utf8)) columns += character.columns;
  return columns;
}

std::size_t tail_offset(std::string_view text, int columns) {
  const auto all = characters(text);
  std::size_t offset = text.size();
  for (std::size_t i = all.size(); i-- > 0;) {
    columns -= all[i].columns;
    if (columns < 0) break;
    offset = all[i].offset;
  }
  return offset;
}

std::string wrap(std::string_view text, int columns) {
  std::string out;
  int used = 0;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    if (used > 0) {
      const bool fits = used + 1 + count_columns(word) <= columns;
      out += fits ? ' ' : '\n';
      used = fits ? used + 1 : 0;
    }
    for (const auto& [offset, width] : characters(word)) {
      if (used + width > columns && used > 0) {  // a word longer than a line
        out += '\n';
        used = 0;
      }
      out += word.substr(offset, text::read_utf8(word.substr(offset)).size);
      used += width;
    }
  }
  return out;
}

}  // namespace stenod::app
