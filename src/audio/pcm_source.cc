#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "audio/ffmpeg.h"
#include "audio/frame_converter.h"
#include "audio/g711.h"
#include "audio/stream_source.h"

namespace stenod::audio {
namespace {

static_assert(std::endian::native == std::endian::little, "samples are copied as they come");

/// A long message is converted in blocks, so that it needs no second copy of itself.
constexpr std::size_t kBlockFrames = 4096;

class PcmSource final : public StreamSource {
 public:
  PcmSource(const StreamFormat& format, AVFrame* frame)
      : encoding_(format.encoding),
        num_channels_(static_cast<std::size_t>(format.num_channels)),
        sample_bytes_(encoding_ == StreamEncoding::kFloat32 ? 4
                      : encoding_ == StreamEncoding::kInt16 ? 2
                                                            : 1),
        converter_(format.sample_rate, format.num_channels),
        frame_(frame) {
    const bool is_float = encoding_ == StreamEncoding::kFloat32;
    floats_.resize(is_float ? kBlockFrames * num_channels_ : 0);
    integers_.resize(is_float ? 0 : kBlockFrames * num_channels_);
    frame_->format = is_float ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_S16;
    frame_->sample_rate = format.sample_rate;
    frame_->ch_layout.nb_channels = format.num_channels;
    frame_->data[0] =
        is_float ? reinterpret_cast<std::uint8_t*>(floats_.data()) : reinterpret_cast<std::uint8_t*>(integers_.data());
  }

  Status push(std::span<const std::byte> bytes, ChannelSamples& samples) override {
    const std::size_t frame_bytes = sample_bytes_ * num_channels_;
    if (!rest_.empty()) {
      const std::size_t n = std::min(frame_bytes - rest_.size(), bytes.size());
      rest_.insert(rest_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (rest_.size() < frame_bytes) return {};
      STENOD_RETURN_IF_ERROR(convert(rest_, samples));
      rest_.clear();
    }
    while (bytes.size() >= frame_bytes) {
      const std::size_t num_frames = std::min(bytes.size() / frame_bytes, kBlockFrames);
      STENOD_RETURN_IF_ERROR(convert(bytes.first(num_frames * frame_bytes), samples));
      bytes = bytes.subspan(num_frames * frame_bytes);
    }
    rest_.assign(bytes.begin(), bytes.end());
    return {};
  }

  Status finish(ChannelSamples& samples) override {
    counters_.num_ignored_bytes = static_cast<std::int64_t>(rest_.size());
    return converter_.finish(samples);
  }

  std::int64_t num_input_frames() const override { return converter_.num_input_frames(); }
  int input_sample_rate() const override { return converter_.sample_rate(); }
  StreamCounters counters() const override { return counters_; }

 private:
  /// Whole frames, at most kBlockFrames.
  Status convert(std::span<const std::byte> bytes, ChannelSamples& samples) {
    const std::size_t num_values = bytes.size() / sample_bytes_;
    switch (encoding_) {
      case StreamEncoding::kFloat32:
        std::memcpy(floats_.data(), bytes.data(), bytes.size());
        for (std::size_t i = 0; i < num_values; ++i) floats_[i] = checked(floats_[i]);
        break;
      case StreamEncoding::kInt16:
        std::memcpy(integers_.data(), bytes.data(), bytes.size());
        break;
      default: {
        const auto& table = encoding_ == StreamEncoding::kMuLaw ? kMuLawTable : kALawTable;
        for (std::size_t i = 0; i < num_values; ++i) integers_[i] = table[std::to_integer<std::size_t>(bytes[i])];
      }
    }
    frame_->nb_samples = static_cast<int>(num_values / num_channels_);
    return converter_.convert(*frame_, samples);
  }

  float checked(float value) {
    if (!std::isfinite(value)) {
      ++counters_.num_not_finite;
      return 0;
    }
    if (std::abs(value) <= 1) return value;
    ++counters_.num_clipped;
    return std::copysign(1.0f, value);
  }

  const StreamEncoding encoding_;
  const std::size_t num_channels_;
  const std::size_t sample_bytes_;
  FrameConverter converter_;
  StreamCounters counters_;
  std::vector<std::byte> rest_;         ///< less than a frame
  std::vector<float> floats_;           ///< what frame_ refers to: this
  std::vector<std::int16_t> integers_;  ///< or this
  std::unique_ptr<AVFrame, FreeFrame> frame_;
};

}  // namespace

Result<std::unique_ptr<StreamSource>> make_pcm_source(const StreamFormat& format) {
  AVFrame* frame = av_frame_alloc();
  if (frame == nullptr) return Error{ErrorCode::kOutOfMemory, "not enough memory to read audio"};
  return std::unique_ptr<StreamSource>(std::make_unique<PcmSource>(format, frame));
}

}  // namespace stenod::audio
