#pragma once

#include <memory>
#include <string>

#include "audio/decoder.h"

struct AVFrame;
struct SwrContext;

namespace stenod::audio {

/// Brings decoded frames to 16 bits, kSampleRate and the wanted number of channels. Follows when the frames' own
/// parameters change within a file.
class Resampler {
 public:
  /// `num_channels` is 1 for a mix; `name` stands for the file in messages.
  Resampler(ChannelMode mode, int num_channels, std::string name);
  ~Resampler();

  /// Appends what `frame` yields to `samples`. Error: kAudioUnsupportedParameters, kOutOfMemory.
  Status convert(const AVFrame& frame, ChannelSamples& samples);

  /// Appends what is still inside.
  Status flush(ChannelSamples& samples);

 private:
  struct Source;  ///< the parameters that the converter was made for

  Status configure(const AVFrame& frame);
  int make_converter(const AVFrame& frame, bool by_layout);
  Status run(const AVFrame* frame, int max_samples, ChannelSamples& samples, int* num_out);

  ChannelMode mode_;
  int num_channels_;
  std::string name_;
  std::unique_ptr<Source> source_;
  SwrContext* swr_ = nullptr;
};

/// kAudioUnsupportedParameters if a track with these can't be converted.
Status check_parameters(int sample_rate, int num_channels, const std::string& name);

}  // namespace stenod::audio
