#include "audio/microphone.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "audio/ffmpeg.h"
#include "audio/resampler.h"

namespace stenod::audio {
namespace {

/// In the order in which they are tried. Each is FFmpeg's name of a sound system.
constexpr std::array<std::string_view, 2> kSystems = {"pulse", "alsa"};

void ignore_message(const char*, int, const char*, int, const char*, ...) {}

/// Makes FFmpeg know the sound systems. Loaded here, because it brings a lot with it that nothing else needs.
bool register_devices() {
  const std::string library = fmt::format("libavdevice.so.{}", LIBAVFORMAT_VERSION_MAJOR);  // they count alike
  void* loaded = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* function = loaded == nullptr ? nullptr : ::dlsym(loaded, "avdevice_register_all");
  if (function == nullptr) return false;
  reinterpret_cast<void (*)()>(function)();
  // ALSA's library would print every thing that it tries.
  void* alsa = ::dlopen("libasound.so.2", RTLD_NOW | RTLD_NOLOAD);
  void* setter = alsa == nullptr ? nullptr : ::dlsym(alsa, "snd_lib_error_set_handler");
  if (setter != nullptr) {
    reinterpret_cast<int (*)(decltype(&ignore_message))>(setter)(&ignore_message);
  }
  return true;
}

}  // namespace

class Microphone::Impl {
 public:
  explicit Impl(std::stop_token stop) : stop_(std::move(stop)), resampler_(ChannelMode::kMix, 1, "microphone") {}

  /// FFmpeg's error, or 0.
  int start(const AVInputFormat* system, const std::string& device) {
    AVFormatContext* format = avformat_alloc_context();
    if (format == nullptr) return AVERROR(ENOMEM);
    format->interrupt_callback = {[](void* self) { return static_cast<Impl*>(self)->stop_.stop_requested() ? 1 : 0; },
                                  this};
    const int status = avformat_open_input(&format, device.c_str(), system, nullptr);  // frees `format` if it fails
    if (status < 0) return status;
    format_.reset(format);
    if (format->nb_streams == 0) return AVERROR(ENODEV);
    const AVCodecParameters& parameters = *format->streams[0]->codecpar;
    const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
    codec_.reset(avcodec_alloc_context3(codec));
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    if (codec == nullptr || !codec_ || !packet_ || !frame_) return AVERROR(ENOMEM);
    const int copied = avcodec_parameters_to_context(codec_.get(), &parameters);
    return copied < 0 ? copied : avcodec_open2(codec_.get(), codec, nullptr);
  }

  Status read(ChannelSamples& samples) {
    samples.resize(1);
    samples[0].clear();
    while (samples[0].empty()) {
      const int status = av_read_frame(format_.get(), packet_.get());
      if (stop_.stop_requested()) return Error{ErrorCode::kCancelled, "recording was stopped"};
      if (status == AVERROR(EAGAIN)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      if (status < 0) {
        return Error{ErrorCode::kIoError,
                     fmt::format("the microphone gives no more sound: {}", ffmpeg_message(status))};
      }
      const int sent = avcodec_send_packet(codec_.get(), packet_.get());
      av_packet_unref(packet_.get());
      while (sent >= 0 && avcodec_receive_frame(codec_.get(), frame_.get()) == 0) {
        STENOD_RETURN_IF_ERROR(resampler_.convert(*frame_, samples));
      }
    }
    return {};
  }

 private:
  std::stop_token stop_;
  std::unique_ptr<AVFormatContext, FreeFormat> format_;
  std::unique_ptr<AVCodecContext, FreeCodec> codec_;
  std::unique_ptr<AVPacket, FreePacket> packet_;
  std::unique_ptr<AVFrame, FreeFrame> frame_;
  Resampler resampler_;
};

Result<std::unique_ptr<Microphone>> Microphone::open(const std::string& device, std::stop_token stop) {
  catch_ffmpeg_log();
  static const bool is_registered = register_devices();
  if (!is_registered) {
    return Error{ErrorCode::kNotSupported,
                 "no microphone can be opened, because FFmpeg's libavdevice is not installed (Debian: apt install "
                 "libavdevice59)"};
  }
  std::string_view wanted;
  std::string name = device;
  for (const std::string_view system : kSystems) {
    if (device.starts_with(std::string(system) + ':')) {
      wanted = system;
      name = device.substr(system.size() + 1);
    }
  }
  if (name.empty()) name = "default";
  std::string reasons;
  for (const std::string_view system : kSystems) {
    const AVInputFormat* format = av_find_input_format(std::string(system).c_str());
    if (format == nullptr || (!wanted.empty() && wanted != system)) continue;
    auto impl = std::make_unique<Impl>(stop);
    const int status = impl->start(format, name);
    if (status >= 0) return std::unique_ptr<Microphone>(new Microphone(std::move(impl)));
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "recording was stopped"};
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : ", ", system, ffmpeg_message(status));
  }
  return Error{ErrorCode::kNotFound,
               fmt::format("the microphone '{}' can't be opened ({})", name,
                           reasons.empty() ? "FFmpeg was built without ALSA and PulseAudio" : reasons),
               device};
}

Microphone::Microphone(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Microphone::~Microphone() = default;
Status Microphone::read(ChannelSamples& samples) { return impl_->read(samples); }

}  // namespace stenod::audio
