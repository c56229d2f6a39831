#include "app/terminal_text.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <vector>

#include "text/utf8.h"

namespace stenod::app {
namespace {

/// wcwidth() looks at the thread's locale, and the program keeps to "C".
class Utf8Locale {
 public:
  Utf8Locale() : before_(::uselocale(locale())) {}
  ~Utf8Locale() { ::uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

  int columns(char32_t c) const {
    const int width = ::wcwidth(static_cast<wchar_t>(c));
    return width < 0 ? 1 : width;
  }

 private:
  static locale_t locale() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }

  locale_t before_;
};

struct Character {
  std::size_t offset;
  int columns;
};

std::vector<Character> characters(std::string_view text) {
  const Utf8Locale locale;
  std::vector<Character> out;
  std::size_t offset = 0;
  while (offset < text.size()) {
    const text::Utf8Unit unit = text::read_utf8(text.substr(offset));
    out.push_back({offset, locale.columns(unit.code_point)});
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
