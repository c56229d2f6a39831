#include "text/suppressed_tokens.h"

#include <set>
#include <string>
#include <string_view>

namespace stenod::text {
namespace {

// Left out where they are one token, alone or behind a space.
constexpr std::string_view kSymbols[] = {"\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",  ">",
                                         "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",  "「",
                                         "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[", "('",
                                         "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪"};
// Left out with the first of their tokens even where they are several: the bytes that begin them begin little else.
constexpr std::string_view kNotes[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

}  // namespace

std::vector<int> standard_suppressed_tokens(const Tokenizer& tokenizer) {
  std::set<int> suppressed;
  const auto first_of = [&](const std::string& text, bool also_of_several) {
    const std::vector<int> tokens = tokenizer.encode(text);
    if (tokens.size() == 1 || (also_of_several && !tokens.empty())) suppressed.insert(tokens.front());
  };
  // Hyphens and apostrophes are left out where words begin with them.
  for (const char* start : {" -", " '"}) first_of(start, true);
  for (const std::string_view symbol : kSymbols) {
    for (const char* before : {"", " "}) first_of(before + std::string(symbol), false);
  }
  for (const std::string_view note : kNotes) {
    for (const char* before : {"", " "}) first_of(before + std::string(note), true);
  }
  const SpecialTokens& special = tokenizer.special();
  suppressed.insert(
      {special.sot, special.translate, special.transcribe, special.startoflm, special.startofprev, special.no_speech});
  return {suppressed.begin(), suppressed.end()};
}

std::vector<int> standard_suppressed_begin_tokens(const Tokenizer& tokenizer) {
  std::vector<int> suppressed = tokenizer.encode(" ");
  suppressed.push_back(tokenizer.special().eot);
  return suppressed;
}

}  // namespace stenod::text
