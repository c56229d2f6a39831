#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stenod::app {

// Text in columns of a terminal: see text/character_width.h.

int count_columns(std::string_view utf8);

/// Where the longest end of `text` begins that takes at most `columns`.
std::size_t tail_offset(std::string_view text, int columns);

/// The words of `text` in lines of at most `columns`, words that are longer than a line broken in the middle.
std::string wrap(std::string_view text, int columns);

}  // namespace stenod::app
