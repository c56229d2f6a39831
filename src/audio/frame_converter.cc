#include "audio/frame_converter.h"

#include "audio/features.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace stenod::audio {

FrameConverter::FrameConverter(int sample_rate, int num_channels)
    : sample_rate_(sample_rate), resampler_(ChannelMode::kSplit, num_channels, "audio stream") {}

Status FrameConverter::convert(const AVFrame& frame, ChannelSamples& samples) {
  const std::size_t before = samples.front().size();
  STENOD_RETURN_IF_ERROR(resampler_.convert(frame, samples));
  num_input_frames_ += frame.nb_samples;
  num_samples_ += static_cast<std::int64_t>(samples.front().size() - before);
  return {};
}

Status FrameConverter::finish(ChannelSamples& samples) {
  const auto num_before = num_samples_ - static_cast<std::int64_t>(samples.front().size());
  STENOD_RETURN_IF_ERROR(resampler_.flush(samples));
  const std::int64_t total = (num_input_frames_ * kSampleRate + sample_rate_ / 2) / sample_rate_;
  for (auto& channel : samples) channel.resize(static_cast<std::size_t>(total - num_before));
  num_samples_ = total;
  return {};
}

}  // namespace stenod::audio
