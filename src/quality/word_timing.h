#pragma once

#include <string_view>
#include <vector>

#include "quality/manifest.h"
#include "text/segment.h"

namespace stenod::quality {

/// How far words' times are from the truth, for a recording of which is known when parts of it begin: for each part
/// whose first word is among the recognised ones, the distance in seconds, not negative, between the word's start and
/// the part's. Words are found by an alignment of all of them, each normalised alone.
std::vector<double> part_start_errors(const std::vector<Part>& parts, const std::vector<text::Word>& words,
                                      std::string_view language);

}  // namespace stenod::quality
