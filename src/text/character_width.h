#pragma once

#include <locale.h>

namespace stenod::text {

/// How many columns characters take where all are of one width, as in a terminal: East Asian ones two, combining ones
/// none (wcwidth() in the locale C.UTF-8). While it lives it changes its thread's locale, so it lives briefly.
class CharacterWidth {
 public:
  CharacterWidth();
  ~CharacterWidth();
  CharacterWidth(const CharacterWidth&) = delete;
  CharacterWidth& operator=(const CharacterWidth&) = delete;

  int operator()(char32_t character) const;  ///< 0, 1 or 2

 private:
  locale_t before_;
};

}  // namespace stenod::text
