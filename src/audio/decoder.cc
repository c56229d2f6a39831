#include "audio/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "audio/ffmpeg.h"
#include "audio/input.h"
#include "audio/resampler.h"
#include "audio/wav_header.h"

extern "C" {
#include <libavutil/dict.h>
}

namespace stenod::audio {
namespace {

/// A decoder may give at most this many samples at once; more is a lying header.
constexpr int kMaxFrameSamples = 1 << 20;
/// FLAC's largest block; in live streams nothing needs more.
constexpr int kMaxStreamFrameSamples = 1 << 16;

/// Formats that hold no audio themselves but say where it is. Opening is barred anyway (see open_format()); this is for
/// the message.
constexpr std::array<std::string_view, 8> kPlaylistFormats = {"concat", "dash", "hls",    "imf",
                                                              "rtsp",   "sdp",  "vobsub", "webm_dash_manifest"};

/// Of a live stream no more than this is held back to learn what is in it.
constexpr std::int64_t kStreamProbeBytes = 64 * 1024;

/// Less than this is no sign of a file that was cut off: headers round, and encoders pad.
constexpr double kMinMissingS = 2;
constexpr double kMinMissingShare = 0.02;

constexpr std::string_view kNotRecognised =
    "not recognised as audio or video; expected a file such as WAV, FLAC, MP3, M4A, OGG or MP4";

/// The bytes of samples that a WAV file's header announces, relative to those that follow it; 1 where it says nothing.
/// FFmpeg itself drops the header's figure where the file is shorter. Leaves `file` at its beginning.
double announced_wav_share(AVIOContext* file, std::int64_t file_size) {
  double share = 1;
  std::uint64_t long_size = 0;  // of RF64, whose other size fields are 2^32 - 1
  avio_seek(file, 0, SEEK_SET);
  // Big-endian RIFX is too rare to bother.
  bool more = avio_rl32(file) != MKTAG('R', 'I', 'F', 'X') && avio_skip(file, 8) >= 0;
  while (more) {
    const std::uint32_t tag = avio_rl32(file);
    const std::uint32_t size = avio_rl32(file);
    if (avio_feof(file) != 0) break;  // looked at here, because a seek forgets it
    const std::int64_t start = avio_tell(file);
    if (tag == MKTAG('d', 's', '6', '4')) {
      avio_skip(file, 8);
      long_size = avio_rl64(file);
    } else if (tag == MKTAG('d', 'a', 't', 'a')) {
      const std::uint64_t announced = size == UINT32_MAX ? long_size : size;
      if (!is_wav_size_placeholder(announced) && file_size > start) {
        share = static_cast<double>(announced) / static_cast<double>(file_size - start);
      }
      break;
    }
    more = avio_seek(file, start + size + size % 2, SEEK_SET) >= 0;
  }
  avio_seek(file, 0, SEEK_SET);
  return share;
}

}  // namespace

class Decoder::Impl {
 public:
  Impl(std::unique_ptr<Input> input, DecoderOptions options) : input_(std::move(input)), options_(std::move(options)) {}

  /// `container`: FFmpeg's name of it, or null to find out.
  Status start(const char* container = nullptr);
  Result<std::size_t> read(ChannelSamples& samples);

  int num_channels() const { return num_channels_; }
  std::optional<double> estimated_duration_s() const;
  std::int64_t num_skipped_packets() const { return num_skipped_packets_; }
  std::int64_t num_input_frames() const { return num_input_frames_; }
  int input_sample_rate() const { return input_sample_rate_; }
  int num_audio_tracks() const { return num_audio_tracks_; }
  int audio_track() const { return audio_track_; }
  double missing_s() const;

 private:
  Result<const AVInputFormat*> probe_format(const std::string& url);
  Status open_format(const char* container);
  Status open_codec();
  /// As the file or FFmpeg's guess has it; 0: unknown.
  double header_duration_s() const;
  Status decode(ChannelSamples& samples);
  Status feed_packet();
  Error error(ErrorCode code, std::string_view what) const;
  /// `code`, unless FFmpeg failed because of something else: cancelled, an unreadable disk, no memory, or because it
  /// knew the format by the file's name only.
  Error ffmpeg_error(int status, ErrorCode code, std::string_view what) const;

  std::unique_ptr<Input> input_;
  DecoderOptions options_;
  std::unique_ptr<AVFormatContext, FreeFormat> format_;
  std::unique_ptr<AVCodecContext, FreeCodec> codec_;
  std::unique_ptr<AVPacket, FreePacket> packet_;
  std::unique_ptr<AVFrame, FreeFrame> frame_;
  std::unique_ptr<Resampler> resampler_;
  AVStream* stream_ = nullptr;
  int num_channels_ = 1;
  int num_audio_tracks_ = 0;
  int audio_track_ = 0;
  int probe_score_ = 0;
  double wav_share_ = 1;    ///< see announced_wav_share()
  double announced_s_ = 0;  ///< the time at which the track, or else the file, ends as its header says; 0: unknown
  double reached_s_ = 0;    ///< the end of the packets read so far, by the file's time stamps
  std::int64_t num_samples_ = 0;
  std::int64_t num_input_frames_ = 0;
  int input_sample_rate_ = 0;
  std::int64_t num_skipped_packets_ = 0;
  bool draining_ = false;  ///< the decoder has got all packets
  bool at_end_ = false;
  std::optional<Error> failure_;
};

Error Decoder::Impl::error(ErrorCode code, std::string_view what) const {
  return {code, fmt::format("{}: {}", input_->name(), what), input_->name()};
}

Error Decoder::Impl::ffmpeg_error(int status, ErrorCode code, std::string_view what) const {
  if (Status input = input_->status(); !input) return std::move(input).error();
  if (status == AVERROR(ENOMEM)) return error(ErrorCode::kOutOfMemory, "not enough memory to decode the audio");
  if (probe_score_ <= AVPROBE_SCORE_EXTENSION) return error(ErrorCode::kAudioUnknownFormat, kNotRecognised);
  return error(code, fmt::format("{} ({})", what, ffmpeg_message(status)));
}

Status Decoder::Impl::start(const char* container) {
  catch_ffmpeg_log();
  STENOD_RETURN_IF_ERROR(input_->status());
  STENOD_RETURN_IF_ERROR(open_format(container));
  STENOD_RETURN_IF_ERROR(open_codec());
  packet_.reset(av_packet_alloc());
  frame_.reset(av_frame_alloc());
  if (!packet_ || !frame_) return error(ErrorCode::kOutOfMemory, "not enough memory to decode the audio");
  resampler_ = std::make_unique<Resampler>(options_.channels, num_channels_, input_->name());
  return {};
}

Result<const AVInputFormat*> Decoder::Impl::probe_format(const std::string& url) {
  const AVInputFormat* input_format = nullptr;
  const int status = av_probe_input_buffer2(input_->context(), &input_format, url.c_str(), nullptr, 0, 0);
  if (status < 0) return ffmpeg_error(status, ErrorCode::kAudioUnknownFormat, kNotRecognised);
  probe_score_ = status;
  for (const std::string_view name : kPlaylistFormats) {
    if (name == input_format->name) {
      return error(
          ErrorCode::kAudioPlaylist,
          fmt::format("this is a playlist ({}), which only refers to other files; give those files themselves", name));
    }
  }
  if (input_format->name == std::string_view("wav")) {
    wav_share_ = announced_wav_share(input_->context(), *input_->size());
  }
  return input_format;
}

Status Decoder::Impl::open_format(const char* container) {
  // FFmpeg gets the bare file name, for formats that are told by their extension alone, never a path or an address.
  const std::string url = std::filesystem::path(input_->name()).filename().string();
  const AVInputFormat* input_format = nullptr;
  if (container == nullptr) {
    STENOD_ASSIGN_OR_RETURN(input_format, probe_format(url));
  } else {
    input_format = av_find_input_format(container);
    if (input_format == nullptr) {
      return error(ErrorCode::kAudioUnknownFormat, fmt::format("FFmpeg was built without {}", container));
    }
    probe_score_ = AVPROBE_SCORE_MAX;
  }

  AVFormatContext* format = avformat_alloc_context();
  if (format == nullptr) return error(ErrorCode::kOutOfMemory, "not enough memory to open the file");
  format->pb = input_->context();
  if (!input_->size()) format->probesize = kStreamProbeBytes;
  // Nothing but our own input may be opened: no protocol is called "none", and the callback refuses what doesn't ask.
  format->io_open = [](AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EACCES); };
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  int status = avformat_open_input(&format, url.c_str(), input_format, &options);  // frees `format` if it fails
  av_dict_free(&options);
  if (status < 0) {
    return ffmpeg_error(status, ErrorCode::kAudioCorrupt,
                        fmt::format("this looks like {}, but its header is damaged or cut off", input_format->name));
  }
  format_.reset(format);
  // Pictures need no decoder only to learn their size.
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    if (format->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) format->streams[i]->discard = AVDISCARD_ALL;
  }
  status = avformat_find_stream_info(format, nullptr);
  STENOD_RETURN_IF_ERROR(input_->status());
  if (status < 0) {
    return ffmpeg_error(status, ErrorCode::kAudioCorrupt,
                        fmt::format("no track of this {} file can be read", input_format->name));
  }
  return {};
}

Status Decoder::Impl::open_codec() {
  const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);  // < 0: none is sound
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* stream = format_->streams[i];
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
    ++num_audio_tracks_;
    if (stream_ == nullptr || stream->index == best) {
      stream_ = stream;
      audio_track_ = num_audio_tracks_;
    }
  }
  if (stream_ == nullptr) {
    return error(ErrorCode::kAudioNoStream,
                 fmt::format("this {} file has no audio track, expected at least one", format_->iformat->name));
  }
  if (best < 0 && probe_score_ <= AVPROBE_SCORE_EXTENSION) {
    return error(ErrorCode::kAudioUnknownFormat, kNotRecognised);
  }
  const bool track_duration = stream_->duration != AV_NOPTS_VALUE;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    // A duration of the whole file is that of its longest track: then the others are read for their time stamps.
    const bool wanted = static_cast<int>(i) == stream_->index || !track_duration;
    format_->streams[i]->discard = wanted ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
  // All other ways are guesses from what is in the file.
  if (format_->duration_estimation_method == AVFMT_DURATION_FROM_STREAM) announced_s_ = header_duration_s();

  const AVCodecParameters& parameters = *stream_->codecpar;
  const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
  if (codec == nullptr) {
    return error(ErrorCode::kAudioUnsupportedCodec,
                 fmt::format("there is no decoder for the audio track's coding ({}, tag 0x{:08x}); convert the file to "
                             "WAV or FLAC first",
                             avcodec_get_name(parameters.codec_id), parameters.codec_tag));
  }
  STENOD_RETURN_IF_ERROR(check_parameters(parameters.sample_rate, parameters.ch_layout.nb_channels, input_->name()));
  if (options_.channels == ChannelMode::kSplit) num_channels_ = parameters.ch_layout.nb_channels;

  codec_.reset(avcodec_alloc_context3(codec));
  if (!codec_) return error(ErrorCode::kOutOfMemory, "not enough memory to decode the audio");
  int status = avcodec_parameters_to_context(codec_.get(), &parameters);
  codec_->pkt_timebase = stream_->time_base;  // without it, encoder delay at the start would not be cut off
  codec_->max_samples = input_->size() ? kMaxFrameSamples : kMaxStreamFrameSamples;
  codec_->thread_count = 1;
  if (status >= 0) status = avcodec_open2(codec_.get(), codec, nullptr);
  if (status < 0) {
    return ffmpeg_error(status, ErrorCode::kAudioCorrupt,
                        fmt::format("the audio track's {} header is damaged", codec->name));
  }
  return {};
}

double Decoder::Impl::header_duration_s() const {
  double duration_s = 0;
  if (stream_->duration != AV_NOPTS_VALUE) {
    duration_s = static_cast<double>(stream_->duration) * av_q2d(stream_->time_base);
  } else if (format_->duration != AV_NOPTS_VALUE) {
    duration_s = static_cast<double>(format_->duration) / AV_TIME_BASE;
  }
  return std::max(duration_s, 0.0);
}

std::optional<double> Decoder::Impl::estimated_duration_s() const {
  const AVCodecParameters& parameters = *stream_->codecpar;
  double duration_s = header_duration_s();
  if (duration_s == 0) return std::nullopt;
  const double bits_per_s = static_cast<double>(av_get_exact_bits_per_sample(parameters.codec_id)) *
                            parameters.sample_rate * parameters.ch_layout.nb_channels;
  if (const auto size = input_->size(); size && bits_per_s > 0) {
    duration_s = std::min(duration_s, static_cast<double>(*size) * 8 / bits_per_s);
  }
  return duration_s;
}

double Decoder::Impl::missing_s() const {
  if (!at_end_ || failure_) return 0;
  const double announced_s = wav_share_ > 1 ? reached_s_ * wav_share_ : announced_s_;
  const double missing_s = announced_s - reached_s_;
  return reached_s_ > 0 && missing_s > std::max(kMinMissingS, kMinMissingShare * announced_s) ? missing_s : 0;
}

Result<std::size_t> Decoder::Impl::read(ChannelSamples& samples) {
  samples.resize(static_cast<std::size_t>(num_channels_));
  for (auto& channel : samples) channel.clear();
  if (failure_) return *failure_;
  while (!at_end_ && samples.front().empty()) {
    if (Status status = decode(samples); !status) {
      for (auto& channel : samples) channel.clear();
      failure_ = status.error();
      return *failure_;
    }
  }
  num_samples_ += static_cast<std::int64_t>(samples.front().size());
  return samples.front().size();
}

/// One step: a frame from the decoder, or a packet to it.
Status Decoder::Impl::decode(ChannelSamples& samples) {
  const int status = avcodec_receive_frame(codec_.get(), frame_.get());
  if (status == 0) {
    num_input_frames_ += frame_->nb_samples;
    input_sample_rate_ = frame_->sample_rate;
    Status converted = resampler_->convert(*frame_, samples);
    av_frame_unref(frame_.get());
    return converted;
  }
  if (status == AVERROR(ENOMEM)) return ffmpeg_error(status, ErrorCode::kOutOfMemory, "");
  if (status != AVERROR(EAGAIN) && status != AVERROR_EOF) ++num_skipped_packets_;
  if (!draining_) return feed_packet();
  at_end_ = true;
  STENOD_RETURN_IF_ERROR(resampler_->flush(samples));
  if (num_samples_ == 0 && samples.front().empty() && (num_skipped_packets_ > 0 || estimated_duration_s())) {
    return error(ErrorCode::kAudioCorrupt, "nothing of the audio that the header announces can be decoded");
  }
  return {};
}

Status Decoder::Impl::feed_packet() {
  STENOD_RETURN_IF_ERROR(input_->status());
  int status = av_read_frame(format_.get(), packet_.get());
  STENOD_RETURN_IF_ERROR(input_->status());
  if (status == AVERROR(ENOMEM)) return ffmpeg_error(status, ErrorCode::kOutOfMemory, "");
  if (status < 0) {
    // Damage that the container can't be read beyond ends the audio here, as a cut-off file does.
    if (status != AVERROR_EOF) ++num_skipped_packets_;
    draining_ = true;
    avcodec_send_packet(codec_.get(), nullptr);
    return {};
  }
  input_->note_packet(packet_->size);
  if (packet_->pts != AV_NOPTS_VALUE) {
    const double end = static_cast<double>(packet_->pts) + static_cast<double>(packet_->duration);
    reached_s_ = std::max(reached_s_, end * av_q2d(format_->streams[packet_->stream_index]->time_base));
  }
  if (packet_->stream_index == stream_->index) {
    status = avcodec_send_packet(codec_.get(), packet_.get());
    if (status < 0 && status != AVERROR_EOF) ++num_skipped_packets_;
  }
  av_packet_unref(packet_.get());
  if (status == AVERROR(ENOMEM)) return ffmpeg_error(status, ErrorCode::kOutOfMemory, "");
  return {};
}

Result<std::unique_ptr<Decoder>> Decoder::open_stream(std::unique_ptr<Input> input, const char* container,
                                                      DecoderOptions options) {
  auto impl = std::make_unique<Impl>(std::move(input), std::move(options));
  STENOD_RETURN_IF_ERROR(impl->start(container));
  return std::unique_ptr<Decoder>(new Decoder(std::move(impl)));
}

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::~Decoder() = default;

Result<std::unique_ptr<Decoder>> Decoder::open(const std::filesystem::path& path, DecoderOptions options) {
  STENOD_ASSIGN_OR_RETURN(auto input, FileInput::open(path, options.name, options.stop));
  auto impl = std::make_unique<Impl>(std::move(input), std::move(options));
  STENOD_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<Decoder>(new Decoder(std::move(impl)));
}

Result<std::unique_ptr<Decoder>> Decoder::open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                      DecoderOptions options) {
  STENOD_ASSIGN_OR_RETURN(auto input, FileInput::open_memory(bytes, name, options.stop));
  auto impl = std::make_unique<Impl>(std::move(input), std::move(options));
  STENOD_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<Decoder>(new Decoder(std::move(impl)));
}

int Decoder::num_channels() const { return impl_->num_channels(); }
std::optional<double> Decoder::estimated_duration_s() const { return impl_->estimated_duration_s(); }
Result<std::size_t> Decoder::read(ChannelSamples& samples) { return impl_->read(samples); }
std::int64_t Decoder::num_skipped_packets() const { return impl_->num_skipped_packets(); }
std::int64_t Decoder::num_input_frames() const { return impl_->num_input_frames(); }
int Decoder::input_sample_rate() const { return impl_->input_sample_rate(); }
int Decoder::num_audio_tracks() const { return impl_->num_audio_tracks(); }
int Decoder::audio_track() const { return impl_->audio_track(); }
double Decoder::missing_s() const { return impl_->missing_s(); }

}  // namespace stenod::audio
