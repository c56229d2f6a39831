#pragma once

#include <cstdint>

#include "audio/resampler.h"

struct AVFrame;

namespace stenod::audio {

/// Brings the frames of a stream of one sample rate to kSampleRate. Altogether finish() leaves exactly
/// round(frames * kSampleRate / rate) samples, so that a clock of samples agrees with the sender's.
class FrameConverter {
 public:
  FrameConverter(int sample_rate, int num_channels);

  /// Appends to `samples`, [num_channels][sample]. `frame` has `sample_rate` and any format. Error: kOutOfMemory.
  Status convert(const AVFrame& frame, ChannelSamples& samples);
  Status finish(ChannelSamples& samples);

  std::int64_t num_input_frames() const { return num_input_frames_; }
  int sample_rate() const { return sample_rate_; }

 private:
  const int sample_rate_;
  Resampler resampler_;
  std::int64_t num_input_frames_ = 0;
  std::int64_t num_samples_ = 0;
};

}  // namespace stenod::audio
