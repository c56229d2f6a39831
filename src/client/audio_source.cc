#include "client/audio_source.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <functional>
#include <stop_token>
#include <utility>

#include "audio/microphone.h"
#include "base/file.h"

namespace stenod::client {
namespace {

constexpr std::size_t kBlockSamples = audio::kSampleRate / 10;
constexpr std::size_t kPipeBytes = 16 * 1024;
/// So much tells every container (audio::begins_container).
constexpr std::size_t kMagicBytes = 12;

constexpr audio::StreamFormat kDecodedFormat = {audio::StreamEncoding::kInt16, audio::kSampleRate, 1};

AudioBlock block_of(std::span<const std::int16_t> samples) {
  const auto bytes = std::as_bytes(samples);
  return {{bytes.begin(), bytes.end()}, static_cast<double>(samples.size()) / audio::kSampleRate};
}

class FileSource final : public AudioSource {
 public:
  Status open(const std::filesystem::path& path) {
    STENOD_ASSIGN_OR_RETURN(decoder_, audio::Decoder::open(path, {audio::ChannelMode::kMix, stop_token()}));
    return {};
  }

  Result<AudioBlock> read() override {
    while (pending_.size() - at_ < kBlockSamples) {
      const auto n = decoder_->read(decoded_);
      if (!n && n.error().code == ErrorCode::kCancelled) return AudioBlock();
      if (!n) return n.error();
      if (*n == 0) break;
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(std::exchange(at_, 0)));
      pending_.insert(pending_.end(), decoded_[0].begin(), decoded_[0].end());
    }
    const std::size_t n = std::min(pending_.size() - at_, kBlockSamples);
    AudioBlock block = block_of(std::span(pending_).subspan(at_, n));
    at_ += n;
    return block;
  }

  audio::StreamFormat format() const override { return kDecodedFormat; }
  bool is_live() const override { return false; }

 private:
  std::unique_ptr<audio::Decoder> decoder_;
  audio::ChannelSamples decoded_;
  std::vector<std::int16_t> pending_;
  std::size_t at_ = 0;  ///< what of it was read
};

class MicrophoneSource final : public AudioSource {
 public:
  Status open(const std::string& device) {
    STENOD_ASSIGN_OR_RETURN(microphone_, audio::Microphone::open(device, stop_token()));
    return {};
  }

  Result<AudioBlock> read() override {
    const Status status = microphone_->read(recorded_);
    if (!status && status.error().code == ErrorCode::kCancelled) return AudioBlock();
    if (!status) return status.error();
    return block_of(recorded_[0]);
  }

  audio::StreamFormat format() const override { return kDecodedFormat; }
  bool is_live() const override { return true; }

 private:
  std::unique_ptr<audio::Microphone> microphone_;
  audio::ChannelSamples recorded_;
};

class PipeSource final : public AudioSource {
 public:
  PipeSource(int fd, const audio::StreamFormat& format) : fd_(fd), format_(format) {}

  ~PipeSource() override { ::close(wake_fd_); }

  Result<AudioBlock> read() override {
    AudioBlock block;
    if (Status status = read_some(block.bytes); !status) return std::move(status).error();
    if (format_.encoding == audio::StreamEncoding::kAuto && !is_detected_) {
      while (block.bytes.size() < kMagicBytes) {
        const std::size_t before = block.bytes.size();
        if (Status status = read_some(block.bytes); !status) return std::move(status).error();
        if (block.bytes.size() == before) break;
      }
      is_detected_ = true;
      if (!audio::begins_container(block.bytes)) format_.encoding = audio::StreamEncoding::kInt16;
    }
    block.duration_s = static_cast<double>(block.bytes.size()) / bytes_per_s();
    return block;
  }

  audio::StreamFormat format() const override { return format_; }
  bool is_live() const override { return true; }

 private:
  /// Appends what there is, after waiting for it; nothing at the end or when a stop was requested.
  Status read_some(std::vector<std::byte>& bytes) {
    std::array<std::byte, kPipeBytes> buffer;
    while (!stop_token().stop_requested()) {
      std::array<pollfd, 2> files = {{{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
      if (::poll(files.data(), files.size(), -1) < 0 && errno != EINTR) return file_error("cannot read", "-", errno);
      if (files[0].revents == 0) continue;
      const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return file_error("cannot read", "standard input", errno);
      bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + n);
      break;
    }
    return {};
  }

  /// Infinite for what is compressed: that has no duration that could be told here.
  double bytes_per_s() const {
    using enum audio::StreamEncoding;
    const double frames = static_cast<double>(format_.sample_rate) * format_.num_channels;
    switch (format_.encoding) {
      case kFloat32:
        return 4 * frames;
      case kInt16:
        return 2 * frames;
      case kMuLaw:
      case kALaw:
        return frames;
      default:
        return HUGE_VAL;
    }
  }

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof(one));
  }

  const int fd_;
  audio::StreamFormat format_;
  bool is_detected_ = false;
  const int wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const std::stop_callback<std::function<void()>> on_stop_{stop_token(), [this] { wake(); }};
};

}  // namespace

Result<std::unique_ptr<AudioSource>> open_file_source(const std::filesystem::path& path) {
  auto source = std::make_unique<FileSource>();
  STENOD_RETURN_IF_ERROR(source->open(path));
  return std::unique_ptr<AudioSource>(std::move(source));
}

std::unique_ptr<AudioSource> make_pipe_source(int fd, const audio::StreamFormat& format) {
  return std::make_unique<PipeSource>(fd, format);
}

Result<std::unique_ptr<AudioSource>> open_microphone_source(const std::string& device) {
  auto source = std::make_unique<MicrophoneSource>();
  STENOD_RETURN_IF_ERROR(source->open(device));
  return std::unique_ptr<AudioSource>(std::move(source));
}

}  // namespace stenod::client
