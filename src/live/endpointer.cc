#include "live/endpointer.h"

#include <algorithm>

namespace stenod::live {

Endpointer::Endpointer(float threshold) : threshold_(threshold), neg_threshold_(std::max(threshold - 0.15f, 0.01f)) {}

void Endpointer::push(float probability) {
  const std::int64_t begin = position_;
  position_ += kChunkSamples;
  if (probability >= threshold_) {
    if (!speech_begin_) speech_begin_ = begin;
    in_silence_ = false;
  } else if (probability < neg_threshold_) {
    in_silence_ = true;
  }
  if (speech_begin_ && !in_silence_) speech_end_ = position_;
}

void Endpointer::restart_at(std::int64_t begin) {
  speech_begin_ = begin;
  speech_end_ = std::max(speech_end_, begin);
}

}  // namespace stenod::live
