#include "text/pretokenizer.h"

#include <cstddef>

#include "text/unicode_classes.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

struct Run {
  std::size_t size = 0;       ///< bytes of the characters of one class
  std::size_t last_size = 0;  ///< bytes of the last of them
};

CharacterClass first_class(std::string_view text) { return character_class(read_utf8(text).code_point); }

/// The characters at the front that are of the same class as the first. Precondition: `text` is not empty.
Run first_run(std::string_view text) {
  const CharacterClass wanted = first_class(text);
  Run run;
  while (run.size < text.size()) {
    const Utf8Unit unit = read_utf8(text.substr(run.size));
    if (character_class(unit.code_point) != wanted) break;
    run.size += unit.size;
    run.last_size = unit.size;
  }
  return run;
}

std::size_t pretoken_size(std::string_view text) {
  for (const std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  if (first_class(text) != CharacterClass::kSpace) return first_run(text).size;
  if (text.size() > 1 && text.front() == ' ' && first_class(text.substr(1)) != CharacterClass::kSpace) {
    return 1 + first_run(text.substr(1)).size;
  }
  const Run spaces = first_run(text);
  const bool followed = spaces.size < text.size();
  return followed && spaces.size > spaces.last_size ? spaces.size - spaces.last_size : spaces.size;
}

}  // namespace

std::string_view take_pretoken(std::string_view& text) {
  const std::string_view taken = text.substr(0, pretoken_size(text));
  text.remove_prefix(taken.size());
  return taken;
}

}  // namespace stenod::text
