#include "text/english_spelling.h"

#include <algorithm>
#include <iterator>

namespace stenod::text {
namespace {

struct Spelling {
  std::string_view british, american;
};

constexpr Spelling kSpellings[] = {
#define STENOD_SPELLING(british, american) {british, american},
#include "text/british_spellings.def"
#undef STENOD_SPELLING
};

constexpr bool is_less(const Spelling& a, const Spelling& b) { return a.british < b.british; }
static_assert(std::is_sorted(std::begin(kSpellings), std::end(kSpellings), is_less));

}  // namespace

std::string_view american_spelling(std::string_view word) {
  const auto* const found = std::lower_bound(std::begin(kSpellings), std::end(kSpellings), Spelling{word, {}}, is_less);
  return found != std::end(kSpellings) && found->british == word ? found->american : word;
}

}  // namespace stenod::text
