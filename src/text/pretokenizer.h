#pragma once

#include <string_view>

namespace stenod::text {

/// Takes the next part that byte-pair encoding never merges beyond off the front of `text`, by GPT-2's pattern
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// (https://github.com/openai/gpt-2/blob/master/src/encoder.py): a contraction's end; letters, digits or other
/// characters with at most one space before them; white space without the space that goes with what follows.
/// Taken one after another, the parts are the whole text, in time linear in its length.
/// Precondition: `text` is valid UTF-8 and not empty.
std::string_view take_pretoken(std::string_view& text);

}  // namespace stenod::text
