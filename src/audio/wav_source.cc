#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "audio/stream_source.h"
#include "audio/wav_header.h"

namespace stenod::audio {
namespace {

/// Samples behind a header, and perhaps behind further ones, for some clients send each piece as a file of its own.
/// FFmpeg would hold back the first 64 KiB, two seconds of speech, so it gets only what is unusual.
class WavSource final : public StreamSource {
 public:
  explicit WavSource(int num_channels) : num_channels_(num_channels) {}

  Status push(std::span<const std::byte> bytes, ChannelSamples& samples) override {
    while (!bytes.empty()) {
      if (num_left_ == 0 && !is_over_) {
        STENOD_ASSIGN_OR_RETURN(const std::size_t num_taken, take_header(bytes, samples));
        bytes = bytes.subspan(num_taken);
        continue;
      }
      const std::size_t n = std::min<std::uint64_t>(num_left_, bytes.size());
      if (n == 0) break;
      STENOD_RETURN_IF_ERROR(samples_->push(bytes.first(n), samples));
      if (num_left_ != kEndless) num_left_ -= n;
      bytes = bytes.subspan(n);
    }
    num_ignored_bytes_ += static_cast<std::int64_t>(bytes.size());
    return {};
  }

  Status finish(ChannelSamples& samples) override {
    if (samples_ == nullptr) STENOD_RETURN_IF_ERROR(leave_to_ffmpeg(samples));  // cut off in its header
    num_ignored_bytes_ += static_cast<std::int64_t>(head_.size());
    return samples_->finish(samples);
  }

  std::int64_t num_input_frames() const override { return samples_ == nullptr ? 0 : samples_->num_input_frames(); }
  int input_sample_rate() const override { return samples_ == nullptr ? 0 : samples_->input_sample_rate(); }
  StreamCounters counters() const override {
    StreamCounters counters = samples_ == nullptr ? StreamCounters() : samples_->counters();
    counters.num_ignored_bytes += num_ignored_bytes_;
    return counters;
  }

 private:
  static constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

  /// How many of `bytes` belong to the header.
  Result<std::size_t> take_header(std::span<const std::byte> bytes, ChannelSamples& samples) {
    const std::size_t num_held = head_.size();
    const std::size_t num_taken = std::min(bytes.size(), kMaxWavHeaderBytes - num_held);
    head_.insert(head_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(num_taken));
    const auto read = read_wav_header(head_);
    if (std::holds_alternative<WavHeaderIncomplete>(read)) return num_taken;
    const auto* header = std::get_if<WavHeader>(&read);
    const bool is_first = samples_ == nullptr;
    if (is_first && header != nullptr && header->format.num_channels == num_channels_) {
      STENOD_ASSIGN_OR_RETURN(samples_, make_pcm_source(header->format));
      format_ = header->format;
    } else if (is_first) {
      STENOD_RETURN_IF_ERROR(leave_to_ffmpeg(samples));
      return num_taken;
    } else if (header == nullptr || header->format != format_) {
      is_over_ = true;  // the rest of this file, such as its tags, or something else
      num_ignored_bytes_ += static_cast<std::int64_t>(head_.size());
      head_.clear();
      return num_taken;
    }
    num_left_ = header->num_bytes.value_or(kEndless);
    const std::size_t num_header_bytes = header->num_header_bytes;
    head_.clear();
    return num_header_bytes - num_held;
  }

  Status leave_to_ffmpeg(ChannelSamples& samples) {
    STENOD_ASSIGN_OR_RETURN(samples_, make_container_source("wav", num_channels_));
    num_left_ = kEndless;
    return samples_->push(std::exchange(head_, {}), samples);
  }

  const int num_channels_;
  StreamFormat format_;
  std::vector<std::byte> head_;            ///< a header that is not yet complete
  std::unique_ptr<StreamSource> samples_;  ///< absent before the first header
  std::uint64_t num_left_ = 0;             ///< bytes of samples until there may be another header
  bool is_over_ = false;                   ///< there was something else
  std::int64_t num_ignored_bytes_ = 0;
};

}  // namespace

std::unique_ptr<StreamSource> make_wav_source(int num_channels) { return std::make_unique<WavSource>(num_channels); }

}  // namespace stenod::audio
