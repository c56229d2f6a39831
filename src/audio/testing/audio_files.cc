#include "audio/testing/audio_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numbers>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace stenod::audio::testing {
namespace {

void put(std::string& out, std::uint32_t value, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void drain(AVFormatContext* format, AVCodecContext* codec, AVPacket* packet) {
  while (avcodec_receive_packet(codec, packet) == 0) {
    packet->stream_index = 0;
    av_packet_rescale_ts(packet, codec->time_base, format->streams[0]->time_base);
    ASSERT_EQ(av_interleaved_write_frame(format, packet), 0);
  }
}

}  // namespace

TempFolder::TempFolder() {
  std::string name = std::filesystem::temp_directory_path() / "stenod_audio_XXXXXX";
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

TempFolder::~TempFolder() { std::filesystem::remove_all(path_); }

std::filesystem::path TempFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path_ / name, std::ios::binary) << bytes;
  return path_ / name;
}

std::string wav(const WavHeader& header, std::span<const std::int16_t> samples) {
  const std::uint32_t size = header.data_size < 0 ? static_cast<std::uint32_t>(samples.size_bytes())
                                                  : static_cast<std::uint32_t>(header.data_size);
  const std::uint32_t frame_bytes = header.num_channels * header.bits / 8U;
  std::string out = "RIFF";
  put(out, 36 + size, 4);
  out += "WAVEfmt ";
  put(out, 16, 4);
  put(out, header.format_tag, 2);
  put(out, header.num_channels, 2);
  put(out, header.sample_rate, 4);
  put(out, header.sample_rate * frame_bytes, 4);
  put(out, frame_bytes, 2);
  put(out, header.bits, 2);
  out += "data";
  put(out, size, 4);
  for (const std::int16_t sample : samples) put(out, static_cast<std::uint16_t>(sample), 2);
  return out;
}

std::vector<std::int16_t> tone(double hz, int sample_rate, double seconds) {
  std::vector<std::int16_t> samples(static_cast<std::size_t>(std::lround(seconds * sample_rate)));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<std::int16_t>(
        std::lround(16384 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / sample_rate)));
  }
  return samples;
}

double rms(std::span<const std::int16_t> samples) {
  double sum = 0;
  for (const std::int16_t sample : samples) sum += static_cast<double>(sample) * sample;
  return samples.empty() ? 0 : std::sqrt(sum / static_cast<double>(samples.size())) / 32768;
}

bool encode(const std::filesystem::path& path, const std::string& encoder, int sample_rate, int num_channels,
            std::span<const std::int16_t> samples, const std::string& muxer_options) {
  const AVCodec* type = avcodec_find_encoder_by_name(encoder.c_str());
  if (type == nullptr) return false;
  AVFormatContext* format = nullptr;
  EXPECT_GE(avformat_alloc_output_context2(&format, nullptr, nullptr, path.c_str()), 0);
  AVCodecContext* codec = avcodec_alloc_context3(type);
  codec->sample_rate = sample_rate;
  codec->sample_fmt = type->sample_fmts[0];
  codec->time_base = {1, sample_rate};
  codec->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  av_channel_layout_default(&codec->ch_layout, num_channels);
  if ((format->oformat->flags & AVFMT_GLOBALHEADER) != 0) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  EXPECT_EQ(avcodec_open2(codec, type, nullptr), 0);
  AVStream* stream = avformat_new_stream(format, nullptr);
  stream->time_base = codec->time_base;
  avcodec_parameters_from_context(stream->codecpar, codec);
  EXPECT_GE(avio_open(&format->pb, path.c_str(), AVIO_FLAG_WRITE), 0);
  AVDictionary* options = nullptr;
  EXPECT_GE(av_dict_parse_string(&options, muxer_options.c_str(), "=", ":", 0), 0);
  EXPECT_GE(avformat_write_header(format, &options), 0);
  EXPECT_EQ(av_dict_count(options), 0) << "unknown: " << muxer_options;
  av_dict_free(&options);

  AVPacket* packet = av_packet_alloc();
  const int frame_size = codec->frame_size > 0 ? codec->frame_size : 1024;
  const int total = static_cast<int>(samples.size()) / num_channels;
  for (int at = 0; at < total; at += frame_size) {
    AVFrame* frame = av_frame_alloc();
    frame->nb_samples = std::min(frame_size, total - at);
    frame->format = codec->sample_fmt;
    frame->sample_rate = sample_rate;
    frame->pts = at;
    av_channel_layout_copy(&frame->ch_layout, &codec->ch_layout);
    EXPECT_EQ(av_frame_get_buffer(frame, 0), 0);
    const bool planar = av_sample_fmt_is_planar(codec->sample_fmt) != 0;
    for (int i = 0; i < frame->nb_samples; ++i) {
      for (int c = 0; c < num_channels; ++c) {
        const std::int16_t sample = samples[(at + i) * num_channels + c];
        void* plane = frame->extended_data[planar ? c : 0];
        const int index = planar ? i : i * num_channels + c;
        switch (av_get_packed_sample_fmt(codec->sample_fmt)) {
          case AV_SAMPLE_FMT_S16:
            static_cast<std::int16_t*>(plane)[index] = sample;
            break;
          case AV_SAMPLE_FMT_S32:
            static_cast<std::int32_t*>(plane)[index] = sample * 65536;
            break;
          case AV_SAMPLE_FMT_FLT:
            static_cast<float*>(plane)[index] = static_cast<float>(sample) / 32768.0f;
            break;
          default:
            ADD_FAILURE() << encoder << ": sample format";
        }
      }
    }
    EXPECT_EQ(avcodec_send_frame(codec, frame), 0);
    av_frame_free(&frame);
    drain(format, codec, packet);
  }
  avcodec_send_frame(codec, nullptr);
  drain(format, codec, packet);
  EXPECT_GE(av_write_trailer(format), 0);
  av_packet_free(&packet);
  avcodec_free_context(&codec);
  avio_closep(&format->pb);
  avformat_free_context(format);
  return true;
}

std::vector<std::string> read_packets(const std::filesystem::path& path) {
  std::vector<std::string> packets;
  AVFormatContext* format = nullptr;
  EXPECT_EQ(avformat_open_input(&format, path.c_str(), nullptr, nullptr), 0);
  AVPacket* packet = av_packet_alloc();
  while (av_read_frame(format, packet) == 0) {
    if (packet->stream_index == 0) {
      packets.emplace_back(reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size));
    }
    av_packet_unref(packet);
  }
  av_packet_free(&packet);
  avformat_close_input(&format);
  return packets;
}

void join_tracks(const std::filesystem::path& path, const std::vector<std::filesystem::path>& files,
                 int default_track) {
  AVFormatContext* out = nullptr;
  EXPECT_GE(avformat_alloc_output_context2(&out, nullptr, nullptr, path.c_str()), 0);
  std::vector<AVFormatContext*> inputs;
  for (const auto& file : files) {
    AVFormatContext* in = nullptr;
    EXPECT_EQ(avformat_open_input(&in, file.c_str(), nullptr, nullptr), 0);
    EXPECT_GE(avformat_find_stream_info(in, nullptr), 0);
    AVStream* stream = avformat_new_stream(out, nullptr);
    avcodec_parameters_copy(stream->codecpar, in->streams[0]->codecpar);
    stream->codecpar->codec_tag = 0;
    if (stream->index == default_track) stream->disposition = AV_DISPOSITION_DEFAULT;
    inputs.push_back(in);
  }
  EXPECT_GE(avio_open(&out->pb, path.c_str(), AVIO_FLAG_WRITE), 0);
  AVDictionary* options = nullptr;
  av_dict_set(&options, "movflags", "faststart", 0);
  EXPECT_GE(avformat_write_header(out, &options), 0);
  av_dict_free(&options);
  AVPacket* packet = av_packet_alloc();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    while (av_read_frame(inputs[i], packet) == 0) {
      packet->stream_index = static_cast<int>(i);
      packet->pos = -1;
      av_packet_rescale_ts(packet, inputs[i]->streams[0]->time_base, out->streams[i]->time_base);
      EXPECT_EQ(av_interleaved_write_frame(out, packet), 0);
    }
    avformat_close_input(&inputs[i]);
  }
  EXPECT_EQ(av_write_trailer(out), 0);
  av_packet_free(&packet);
  avio_closep(&out->pb);
  avformat_free_context(out);
}

}  // namespace stenod::audio::testing
