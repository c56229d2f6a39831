#include "audio/resampler.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <utility>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace stenod::audio {
namespace {

constexpr int kFlushSamples = 4096;

Error out_of_memory(const std::string& name) {
  return {ErrorCode::kOutOfMemory, fmt::format("{}: not enough memory to convert the audio", name), name};
}

}  // namespace

struct Resampler::Source {
  int sample_rate = 0;
  int format = 0;
  AVChannelLayout layout = {};

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() { av_channel_layout_uninit(&layout); }
};

Status check_parameters(int sample_rate, int num_channels, const std::string& name) {
  if (sample_rate < Decoder::kMinSampleRate || sample_rate > Decoder::kMaxSampleRate) {
    return Error{ErrorCode::kAudioUnsupportedParameters,
                 fmt::format("{}: the audio track's sample rate is {} Hz, expected {} to {}", name, sample_rate,
                             Decoder::kMinSampleRate, Decoder::kMaxSampleRate),
                 name};
  }
  if (num_channels < 1 || num_channels > Decoder::kMaxChannels) {
    return Error{
        ErrorCode::kAudioUnsupportedParameters,
        fmt::format("{}: the audio track has {} channels, expected 1 to {}", name, num_channels, Decoder::kMaxChannels),
        name};
  }
  return {};
}

Resampler::Resampler(ChannelMode mode, int num_channels, std::string name)
    : mode_(mode), num_channels_(num_channels), name_(std::move(name)) {}

Resampler::~Resampler() { swr_free(&swr_); }

Status Resampler::convert(const AVFrame& frame, ChannelSamples& samples) {
  if (source_ == nullptr || frame.sample_rate != source_->sample_rate || frame.format != source_->format ||
      av_channel_layout_compare(&frame.ch_layout, &source_->layout) != 0) {
    STENOD_RETURN_IF_ERROR(flush(samples));
    STENOD_RETURN_IF_ERROR(configure(frame));
  }
  int num_out = 0;
  return run(&frame, swr_get_out_samples(swr_, frame.nb_samples), samples, &num_out);
}

Status Resampler::flush(ChannelSamples& samples) {
  if (source_ == nullptr) return {};
  int num_out = 0;
  do {
    STENOD_RETURN_IF_ERROR(run(nullptr, kFlushSamples, samples, &num_out));
  } while (num_out > 0);
  source_.reset();
  return {};
}

Status Resampler::configure(const AVFrame& frame) {
  const int num_in = frame.ch_layout.nb_channels;
  STENOD_RETURN_IF_ERROR(check_parameters(frame.sample_rate, num_in, name_));
  auto source = std::make_unique<Source>();
  source->sample_rate = frame.sample_rate;
  source->format = frame.format;
  if (av_channel_layout_copy(&source->layout, &frame.ch_layout) < 0) return out_of_memory(name_);

  // Channels of a declared layout are mixed by FFmpeg's rules for it. All others are averaged: guessing a layout could
  // take somebody's microphone for a low-frequency effect and drop it.
  int status = AVERROR(EINVAL);
  if (mode_ == ChannelMode::kMix && num_in > 1 && frame.ch_layout.order != AV_CHANNEL_ORDER_UNSPEC) {
    status = make_converter(frame, /*by_layout=*/true);
  }
  if (status == AVERROR(EINVAL)) status = make_converter(frame, /*by_layout=*/false);
  if (status == AVERROR(ENOMEM)) return out_of_memory(name_);
  if (status < 0) {  // no file known gets here: FFmpeg converts all that check_parameters() lets through
    return Error{ErrorCode::kAudioUnsupportedParameters,
                 fmt::format("{}: audio of {} Hz and {} channels can't be converted to {} Hz; convert the file to WAV "
                             "first",
                             name_, frame.sample_rate, num_in, kSampleRate),
                 name_};
  }
  source_ = std::move(source);
  return {};
}

int Resampler::make_converter(const AVFrame& frame, bool by_layout) {
  const int num_in = frame.ch_layout.nb_channels;
  AVChannelLayout in = {};
  AVChannelLayout out = {};
  in.nb_channels = num_in;  // of no particular order
  out.nb_channels = num_channels_;
  int status = 0;
  if (by_layout) {
    av_channel_layout_default(&out, num_channels_);
    status = av_channel_layout_copy(&in, &frame.ch_layout);
  }
  swr_free(&swr_);
  if (status >= 0) {
    status = swr_alloc_set_opts2(&swr_, &out, AV_SAMPLE_FMT_S16P, kSampleRate, &in,
                                 static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
  }
  if (status >= 0 && !by_layout && num_in != num_channels_) {
    std::vector<double> matrix(static_cast<std::size_t>(num_in * num_channels_));
    for (int o = 0; o < num_channels_; ++o) {
      for (int i = 0; i < num_in; ++i) {
        matrix[o * num_in + i] = mode_ == ChannelMode::kMix ? 1.0 / num_in : (o == i ? 1.0 : 0.0);
      }
    }
    status = swr_set_matrix(swr_, matrix.data(), num_in);
  }
  if (status >= 0) status = swr_init(swr_);
  av_channel_layout_uninit(&in);
  return status;
}

Status Resampler::run(const AVFrame* frame, int max_samples, ChannelSamples& samples, int* num_out) {
  if (max_samples < 0) return out_of_memory(name_);
  std::array<std::uint8_t*, Decoder::kMaxChannels> planes = {};
  const std::size_t before = samples.front().size();
  for (int c = 0; c < num_channels_; ++c) {
    samples[c].resize(before + static_cast<std::size_t>(max_samples));
    planes[c] = reinterpret_cast<std::uint8_t*>(samples[c].data() + before);
  }
  const int n = swr_convert(swr_, planes.data(), max_samples,
                            frame == nullptr ? nullptr : const_cast<const std::uint8_t**>(frame->extended_data),
                            frame == nullptr ? 0 : frame->nb_samples);
  for (auto& channel : samples) channel.resize(before + static_cast<std::size_t>(n < 0 ? 0 : n));
  if (n < 0) return out_of_memory(name_);
  *num_out = n;
  return {};
}

}  // namespace stenod::audio
