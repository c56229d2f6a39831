#pragma once

#include <string_view>

namespace stenod::text {

/// The American spelling of a lower-case British word; any other word as it is. The table is british_spellings.def.
std::string_view american_spelling(std::string_view word);

}  // namespace stenod::text
