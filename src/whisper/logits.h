#pragma once

#include <span>

namespace stenod::whisper {

/// Largest value, its (first) index, and log(sum(exp(values))) of a row of logits. Entries of -infinity take no part.
/// All NaN as soon as one entry is.
struct LogitsSummary {
  int index = -1;  ///< -1 when there is no entry above -infinity, or a NaN
  float max = 0;
  float log_sum_exp = 0;
};

/// One pass over memory. The result depends on nothing but the values and the instruction set.
LogitsSummary summarise(std::span<const float> logits);

/// log(exp(a) + exp(b)); either may be -infinity.
float log_add_exp(float a, float b);

}  // namespace stenod::whisper
