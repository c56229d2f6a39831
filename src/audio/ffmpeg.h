#pragma once

#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace stenod::audio {

struct FreeFormat {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};
struct FreeCodec {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};

/// Sends FFmpeg's own messages to our log, at level debug. To be called before anything that may print one; any thread.
void catch_ffmpeg_log();

/// What an AVERROR says.
std::string ffmpeg_message(int status);

}  // namespace stenod::audio
