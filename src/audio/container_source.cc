#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "audio/features.h"
#include "audio/input.h"
#include "audio/stream_source.h"

extern "C" {
#include <libavutil/error.h>
}

namespace stenod::audio {
namespace {

constexpr const char* kName = "audio stream";

/// Demuxers keep headers, tags and tables in memory. So of the bytes that are not in packets only this many are taken
/// in a row; each packet earns some again, for its own header.
constexpr std::int64_t kMaxOverheadBytes = 1 << 20;
constexpr std::int64_t kOverheadBytesPerPacket = 256;

/// A few bytes may stand for hours of silence: no more than this is given for one push().
constexpr std::size_t kMaxPushSamples = 600 * kSampleRate;

/// Decodes a container (WebM, Ogg, …) whose bytes arrive bit by bit.
///
/// FFmpeg's demuxers pull: they want a read to wait until there is more. So each stream has a thread for its demuxer
/// and decoder, and the two never run at the same time: push() hands bytes over and returns when that thread has used
/// them up and asks for more. What comes out therefore depends on the bytes alone, and nothing queues up.
///
/// The destructor ends a read that waits.
class ContainerSource final : public StreamSource {
 public:
  ContainerSource(const char* container, int num_channels);
  ~ContainerSource() override;
  ContainerSource(const ContainerSource&) = delete;
  ContainerSource& operator=(const ContainerSource&) = delete;

  Status push(std::span<const std::byte> bytes, ChannelSamples& samples) override {
    return exchange(bytes, /*is_end=*/false, samples);
  }
  Status finish(ChannelSamples& samples) override { return exchange({}, /*is_end=*/true, samples); }

  std::int64_t num_input_frames() const override { return num_input_frames_; }
  int input_sample_rate() const override { return input_sample_rate_; }
  StreamCounters counters() const override { return counters_; }

 private:
  class PushedInput;

  void run();
  Status decode();
  Status exchange(std::span<const std::byte> bytes, bool is_end, ChannelSamples& samples);

  const char* const container_;
  const int num_channels_;

  // `mutex_` guards the next four. What follows them belongs to the demuxer's thread while `is_hungry_` and `is_done_`
  // are false, and to the user's otherwise.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_hungry_ = false;  ///< the demuxer's thread waits for bytes
  bool is_done_ = false;    ///< it has ended
  bool is_ending_ = false;  ///< no more bytes will come
  bool is_stopping_ = false;

  std::span<const std::byte> bytes_;  ///< not yet read
  ChannelSamples samples_;            ///< not yet fetched
  Status status_;
  std::int64_t num_input_frames_ = 0;
  int input_sample_rate_ = 0;
  StreamCounters counters_;

  std::thread thread_;  ///< last: it uses all of the above
};

/// Waits for push() where a file would read the disk. Lives on the demuxer's thread.
class ContainerSource::PushedInput final : public Input {
 public:
  static Result<std::unique_ptr<Input>> make(ContainerSource& stream) {
    auto input = std::unique_ptr<PushedInput>(new PushedInput(stream));
    STENOD_RETURN_IF_ERROR(input->make_context());
    return std::unique_ptr<Input>(std::move(input));
  }

  std::optional<std::int64_t> size() const override { return std::nullopt; }

  Status status() const override {
    if (overhead_bytes_ <= kMaxOverheadBytes) return {};
    return Error{ErrorCode::kAudioCorrupt,
                 fmt::format("{}: {} bytes of this {} stream brought no audio; it is damaged, or a file with large "
                             "pictures or with its index at the end",
                             kName, kMaxOverheadBytes, stream_.container_),
                 kName};
  }

  void note_packet(int num_bytes) override {
    overhead_bytes_ = std::max<std::int64_t>(0, overhead_bytes_ - num_bytes - kOverheadBytesPerPacket);
  }

 private:
  explicit PushedInput(ContainerSource& stream) : Input(kName), stream_(stream) {}

  int read(std::span<std::uint8_t> buffer) override {
    if (overhead_bytes_ > kMaxOverheadBytes) return AVERROR(EIO);
    std::unique_lock lock(stream_.mutex_);
    if (stream_.bytes_.empty() && !stream_.is_ending_) {
      stream_.is_hungry_ = true;
      stream_.changed_.notify_all();
      stream_.changed_.wait(lock, [&] { return !stream_.is_hungry_ || stream_.is_stopping_; });
    }
    if (stream_.is_stopping_) return AVERROR_EXIT;
    if (stream_.bytes_.empty()) return AVERROR_EOF;
    const std::size_t n = std::min(buffer.size(), stream_.bytes_.size());
    std::memcpy(buffer.data(), stream_.bytes_.data(), n);
    stream_.bytes_ = stream_.bytes_.subspan(n);
    overhead_bytes_ += static_cast<std::int64_t>(n);
    return static_cast<int>(n);
  }

  std::int64_t seek(std::int64_t, int) override { return AVERROR(ENOSYS); }

  ContainerSource& stream_;
  std::int64_t overhead_bytes_ = 0;
};

ContainerSource::ContainerSource(const char* container, int num_channels)
    : container_(container),
      num_channels_(num_channels),
      samples_(static_cast<std::size_t>(num_channels)),
      thread_([this] { run(); }) {}

ContainerSource::~ContainerSource() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status ContainerSource::exchange(std::span<const std::byte> bytes, bool is_end, ChannelSamples& samples) {
  std::unique_lock lock(mutex_);
  // The thread may not yet have come to its first read.
  const auto is_mine = [&] { return is_hungry_ || is_done_; };
  changed_.wait(lock, is_mine);
  if (!is_done_ && (is_end || !bytes.empty())) {
    bytes_ = bytes;
    is_ending_ = is_end;
    is_hungry_ = false;
    changed_.notify_all();
    changed_.wait(lock, is_mine);
    bytes = std::exchange(bytes_, {});
  }
  counters_.num_ignored_bytes += static_cast<std::int64_t>(bytes.size());
  for (std::size_t c = 0; c < samples.size(); ++c) {
    samples[c].insert(samples[c].end(), samples_[c].begin(), samples_[c].end());
    samples_[c].clear();
  }
  return status_;
}

void ContainerSource::run() {
  Status status = decode();
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
  is_done_ = true;
  changed_.notify_all();
}

Status ContainerSource::decode() {
  STENOD_ASSIGN_OR_RETURN(auto input, PushedInput::make(*this));
  const ChannelMode mode = num_channels_ == 1 ? ChannelMode::kMix : ChannelMode::kSplit;
  STENOD_ASSIGN_OR_RETURN(const auto decoder, Decoder::open_stream(std::move(input), container_, {mode, {}}));
  if (decoder->num_channels() != num_channels_) {
    return Error{ErrorCode::kAudioUnsupportedParameters,
                 fmt::format("{}: the {} stream has {} channels, but {} were asked for; ask for {}, or for 1 to have "
                             "them mixed",
                             kName, container_, decoder->num_channels(), num_channels_, decoder->num_channels()),
                 kName};
  }
  ChannelSamples block;
  while (true) {
    STENOD_ASSIGN_OR_RETURN(const std::size_t n, decoder->read(block));
    num_input_frames_ = decoder->num_input_frames();
    input_sample_rate_ = decoder->input_sample_rate();
    counters_.num_damaged_packets = decoder->num_skipped_packets();
    if (n == 0) return {};
    for (std::size_t c = 0; c < block.size(); ++c) {
      samples_[c].insert(samples_[c].end(), block[c].begin(), block[c].end());
    }
    if (samples_.front().size() > kMaxPushSamples) {
      return Error{ErrorCode::kAudioTooLong,
                   fmt::format("{}: more than {} s of audio came in one message; send less at a time", kName,
                               kMaxPushSamples / kSampleRate),
                   kName};
    }
  }
}

}  // namespace

Result<std::unique_ptr<StreamSource>> make_container_source(const char* container, int num_channels) try {
  return std::unique_ptr<StreamSource>(std::make_unique<ContainerSource>(container, num_channels));
} catch (const std::system_error&) {
  return Error{ErrorCode::kOutOfMemory, "the system gives no thread to decode this stream"};
}

}  // namespace stenod::audio
