#include "text/character_width.h"

#include <wchar.h>

namespace stenod::text {
namespace {

/// wcwidth() looks at the thread's locale, and the program keeps to "C".
locale_t utf8_locale() {
  static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return made;
}

}  // namespace

CharacterWidth::CharacterWidth() : before_(::uselocale(utf8_locale())) {}

CharacterWidth::~CharacterWidth() { ::uselocale(before_); }

int CharacterWidth::operator()(char32_t character) const {
  const int width = ::wcwidth(static_cast<wchar_t>(character));
  return width < 0 ? 1 : width;
}

}  // namespace stenod::text
