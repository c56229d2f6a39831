#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "audio/ffmpeg.h"
#include "audio/frame_converter.h"
#include "audio/opus_packet.h"
#include "audio/stream_source.h"

namespace stenod::audio {
namespace {

/// A packet that doesn't even say how long it is counts as 20 ms, what nearly everybody sends.
constexpr int kUsualSamples = 960;

/// So many messages that can't be decoded, and none that can: it isn't Opus.
constexpr int kMaxFirstDamaged = 50;

/// No more than the first byte and one for a frame: the sender has nothing to say (discontinuous transmission).
constexpr std::size_t kMaxSilentBytes = 2;

Error out_of_memory() { return {ErrorCode::kOutOfMemory, "not enough memory to decode Opus"}; }

/// The sender's clock is the sum of the durations that the packets announce; damaged ones are replaced by silence.
class OpusSource final : public StreamSource {
 public:
  explicit OpusSource(int num_channels) : num_channels_(num_channels), converter_(kOpusSampleRate, num_channels) {}

  Status start() {
    catch_ffmpeg_log();
    const AVCodec* codec = avcodec_find_decoder(AV_CODEC_ID_OPUS);
    if (codec == nullptr) return Error{ErrorCode::kNotSupported, "FFmpeg was built without Opus"};
    codec_.reset(avcodec_alloc_context3(codec));
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    silence_.reset(av_frame_alloc());
    if (!codec_ || !packet_ || !frame_ || !silence_) return out_of_memory();
    codec_->sample_rate = kOpusSampleRate;
    codec_->thread_count = 1;
    av_channel_layout_default(&codec_->ch_layout, num_channels_);
    if (avcodec_open2(codec_.get(), codec, nullptr) < 0) return out_of_memory();
    silence_->format = codec_->sample_fmt;
    silence_->sample_rate = kOpusSampleRate;
    silence_->nb_samples = kUsualSamples;
    av_channel_layout_default(&silence_->ch_layout, num_channels_);
    if (av_frame_get_buffer(silence_.get(), 0) < 0) return out_of_memory();
    av_samples_set_silence(silence_->extended_data, 0, kUsualSamples, num_channels_, codec_->sample_fmt);
    return {};
  }

  Status push(std::span<const std::byte> bytes, ChannelSamples& samples) override {
    if (bytes.empty()) return {};
    if (bytes.size() > kMaxOpusPacketBytes) {
      return Error{ErrorCode::kAudioCorrupt,
                   fmt::format("a message of {} bytes is no Opus packet, expected at most {}; send each packet as a "
                               "message of its own",
                               bytes.size(), kMaxOpusPacketBytes)};
    }
    const auto announced = opus_packet_samples(bytes);
    num_announced_ += announced.value_or(kUsualSamples);
    if (announced && bytes.size() <= kMaxSilentBytes) return fill(samples);
    if (announced) {
      STENOD_ASSIGN_OR_RETURN(const bool decoded, decode(bytes, samples));
      has_decoded_ = has_decoded_ || decoded;
      if (decoded) return {};
    }
    ++counters_.num_damaged_packets;
    if (!has_decoded_ && counters_.num_damaged_packets >= kMaxFirstDamaged) {
      return Error{ErrorCode::kAudioCorrupt,
                   fmt::format("none of the first {} messages is an Opus packet; send each packet as a message of its "
                               "own, or choose another encoding",
                               kMaxFirstDamaged)};
    }
    avcodec_flush_buffers(codec_.get());
    return fill(samples);
  }

  Status finish(ChannelSamples& samples) override {
    avcodec_send_packet(codec_.get(), nullptr);
    STENOD_RETURN_IF_ERROR(receive(samples));
    STENOD_RETURN_IF_ERROR(fill(samples));
    return converter_.finish(samples);
  }

  std::int64_t num_input_frames() const override { return num_announced_; }
  int input_sample_rate() const override { return kOpusSampleRate; }
  StreamCounters counters() const override { return counters_; }

 private:
  /// False for a damaged packet.
  Result<bool> decode(std::span<const std::byte> bytes, ChannelSamples& samples) {
    if (av_new_packet(packet_.get(), static_cast<int>(bytes.size())) < 0) return out_of_memory();
    std::memcpy(packet_->data, bytes.data(), bytes.size());
    const int status = avcodec_send_packet(codec_.get(), packet_.get());
    av_packet_unref(packet_.get());
    if (status == AVERROR(ENOMEM)) return out_of_memory();
    if (status < 0) return false;
    return receive(samples);
  }

  Result<bool> receive(ChannelSamples& samples) {
    int status = 0;
    while ((status = avcodec_receive_frame(codec_.get(), frame_.get())) == 0) {
      STENOD_RETURN_IF_ERROR(converter_.convert(*frame_, samples));
    }
    if (status == AVERROR(ENOMEM)) return out_of_memory();
    return status == AVERROR(EAGAIN) || status == AVERROR_EOF;
  }

  /// Silence up to where the packets' clock is.
  Status fill(ChannelSamples& samples) {
    while (converter_.num_input_frames() < num_announced_) {
      silence_->nb_samples =
          static_cast<int>(std::min<std::int64_t>(kUsualSamples, num_announced_ - converter_.num_input_frames()));
      STENOD_RETURN_IF_ERROR(converter_.convert(*silence_, samples));
    }
    return {};
  }

  const int num_channels_;
  FrameConverter converter_;
  StreamCounters counters_;
  std::int64_t num_announced_ = 0;
  bool has_decoded_ = false;
  std::unique_ptr<AVCodecContext, FreeCodec> codec_;
  std::unique_ptr<AVPacket, FreePacket> packet_;
  std::unique_ptr<AVFrame, FreeFrame> frame_;
  std::unique_ptr<AVFrame, FreeFrame> silence_;
};

}  // namespace

Result<std::unique_ptr<StreamSource>> make_opus_source(int num_channels) {
  auto source = std::make_unique<OpusSource>(num_channels);
  STENOD_RETURN_IF_ERROR(source->start());
  return std::unique_ptr<StreamSource>(std::move(source));
}

}  // namespace stenod::audio
