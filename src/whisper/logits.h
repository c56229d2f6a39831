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

struct RankedLogit {
  int index;
  float value;
};

/// The largest values, as many as `best` has room for, in order; of equal ones the first. Entries of -infinity and NaN
/// take no part. Returns how many there are.
std::size_t largest(std::span<const float> logits, std::span<RankedLogit> best);

/// Sum of exp((value - max) * scale). `max` is at least the largest value that is no NaN; `scale` > 0.
double sum_scaled_exp(std::span<const float> logits, float max, float scale);

/// The first index at which the sum that sum_scaled_exp() gives for the entries up to it is greater than `target`: with
/// a `target` uniform in [0, sum), a draw from the soft-max of `logits` * `scale`. -1 when there is nothing to draw.
int draw(std::span<const float> logits, float max, float scale, double target);

/// log(exp(a) + exp(b)); either may be -infinity.
float log_add_exp(float a, float b);

}  // namespace stenod::whisper
