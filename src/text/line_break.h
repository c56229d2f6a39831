#pragma once

#include <string_view>

namespace stenod::text {

// Where lines of a text may end. A simple form of Unicode's line breaking (https://www.unicode.org/reports/tr14/) and
// of the Japanese rules (kinsoku, https://www.w3.org/TR/jlreq/#line_breaking_rules): for words as they are spoken, so
// without what needs a dictionary. Texts are UTF-8.

/// What a line's width counts, so what people call characters: code points without the combining ones. A wide (East
/// Asian) character is one as any other.
int count_characters(std::string_view text);

/// Whether a line may end between two words. Neither begins or ends with white space; `spaced`: there is some between
/// them. Without space only East Asian and Southeast Asian scripts break; and no line begins with closing punctuation
/// (nor with a small kana and the like) or ends with opening punctuation.
bool may_break(std::string_view before, std::string_view after, bool spaced);

enum class PhraseEnd { kNone, kPhrase, kSentence };

/// What ends with a word: by its last mark, quotation marks and brackets behind it passed over.
PhraseEnd phrase_end(std::string_view word);

}  // namespace stenod::text
