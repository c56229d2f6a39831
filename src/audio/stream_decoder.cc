#include "audio/stream_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "audio/opus_packet.h"
#include "audio/stream_source.h"

namespace stenod::audio {
namespace {

/// The first bytes of containers; any byte may stand for a '?'. None could be the beginning of sound as floats but
/// WebM's, which as a first sample would be -2e-17.
struct Magic {
  std::string_view bytes;
  const char* container;  ///< FFmpeg's name
};
constexpr std::array<Magic, 6> kMagics = {{{"\x1a\x45\xdf\xa3", "matroska"},
                                           {"OggS", "ogg"},
                                           {"RIFF????WAVE", "wav"},
                                           {"fLaC", "flac"},
                                           {"ID3", "mp3"},
                                           {"????ftyp", "mov"}}};

constexpr std::size_t kMaxMagicBytes = 12;

struct Detected {
  const char* container = nullptr;  ///< null: none
  bool is_certain = true;           ///< no further byte could change it
};

Detected detect_container(std::span<const std::byte> bytes) {
  Detected detected;
  for (const Magic& magic : kMagics) {
    const std::size_t n = std::min(bytes.size(), magic.bytes.size());
    const bool fits = std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n), magic.bytes.begin(),
                                 [](std::byte b, char m) { return m == '?' || b == static_cast<std::byte>(m); });
    if (!fits) continue;
    if (n == magic.bytes.size()) return {magic.container, true};
    detected.is_certain = false;
  }
  return detected;
}

Status check(const StreamFormat& format) {
  const bool has_own_rate = format.encoding == StreamEncoding::kOpus;
  if (!has_own_rate &&
      (format.sample_rate < StreamFormat::kMinSampleRate || format.sample_rate > StreamFormat::kMaxSampleRate)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("sample_rate is {} Hz, expected {} to {}", format.sample_rate,
                             StreamFormat::kMinSampleRate, StreamFormat::kMaxSampleRate),
                 "sample_rate"};
  }
  const int max_channels = format.encoding == StreamEncoding::kOpus ? 2 : StreamFormat::kMaxChannels;
  if (format.num_channels < 1 || format.num_channels > max_channels) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("channels is {}, expected 1 to {}", format.num_channels, max_channels), "channels"};
  }
  return {};
}

constexpr std::array<std::pair<std::string_view, StreamEncoding>, 6> kEncodingNames = {
    {{"auto", StreamEncoding::kAuto},
     {"f32le", StreamEncoding::kFloat32},
     {"s16le", StreamEncoding::kInt16},
     {"mulaw", StreamEncoding::kMuLaw},
     {"alaw", StreamEncoding::kALaw},
     {"opus", StreamEncoding::kOpus}}};

}  // namespace

std::optional<StreamEncoding> parse_stream_encoding(std::string_view name) {
  for (const auto& [known, encoding] : kEncodingNames) {
    if (name == known) return encoding;
  }
  return std::nullopt;
}

std::string_view stream_encoding_name(StreamEncoding encoding) {
  const auto is_it = [encoding](const auto& known) { return known.second == encoding; };
  return std::find_if(kEncodingNames.begin(), kEncodingNames.end(), is_it)->first;
}

bool begins_container(std::span<const std::byte> bytes) { return detect_container(bytes).container != nullptr; }

class StreamDecoder::Impl {
 public:
  explicit Impl(const StreamFormat& format) : format_(format) {}

  /// Opens what needs no look at the first bytes.
  Status start() {
    const bool is_told = format_.encoding != StreamEncoding::kAuto && format_.encoding != StreamEncoding::kOpus;
    return is_told ? choose(nullptr) : Status();
  }

  Status push(std::span<const std::byte> bytes, ChannelSamples& samples) {
    clear(samples);
    return settle(failure_ ? *failure_ : push_bytes(bytes, samples));
  }

  Status finish(ChannelSamples& samples) {
    clear(samples);
    return settle(failure_ ? *failure_ : end(samples));
  }

  const StreamFormat& format() const { return format_; }
  const StreamSource* source() const { return source_.get(); }

 private:
  void clear(ChannelSamples& samples) const {
    samples.resize(static_cast<std::size_t>(format_.num_channels));
    for (auto& channel : samples) channel.clear();
  }

  Status settle(Status status) {
    if (!status) failure_ = status.error();
    return status;
  }

  /// `container` is null where there is none.
  Status choose(const char* container) {
    if (container == nullptr && format_.encoding == StreamEncoding::kOpus) {
      STENOD_ASSIGN_OR_RETURN(source_, make_opus_source(format_.num_channels));
    } else if (container == nullptr) {
      StreamFormat format = format_;
      if (format.encoding == StreamEncoding::kAuto) format.encoding = StreamEncoding::kFloat32;
      STENOD_ASSIGN_OR_RETURN(source_, make_pcm_source(format));
    } else if (container == std::string_view("wav")) {
      source_ = make_wav_source(format_.num_channels);
    } else {
      STENOD_ASSIGN_OR_RETURN(source_, make_container_source(container, format_.num_channels));
    }
    return {};
  }

  Status push_bytes(std::span<const std::byte> bytes, ChannelSamples& samples) {
    if (bytes.empty()) return {};
    if (source_ == nullptr && format_.encoding == StreamEncoding::kOpus) {
      STENOD_RETURN_IF_ERROR(choose(detect_container(bytes).container));  // a packet comes whole
    } else if (source_ == nullptr) {
      const std::size_t n = std::min(bytes.size(), kMaxMagicBytes - held_.size());
      held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      const Detected detected = detect_container(held_);
      if (!detected.is_certain) return {};
      STENOD_RETURN_IF_ERROR(choose(detected.container));
      STENOD_RETURN_IF_ERROR(source_->push(std::exchange(held_, {}), samples));
    }
    return source_->push(bytes, samples);
  }

  Status end(ChannelSamples& samples) {
    if (source_ == nullptr && held_.empty()) return {};
    if (source_ == nullptr) {  // a few bytes only
      STENOD_RETURN_IF_ERROR(choose(nullptr));
      STENOD_RETURN_IF_ERROR(source_->push(held_, samples));
    }
    return source_->finish(samples);
  }

  const StreamFormat format_;
  std::unique_ptr<StreamSource> source_;  ///< null until the encoding is known
  std::vector<std::byte> held_;           ///< the first bytes, until then
  std::optional<Error> failure_;
};

Result<std::unique_ptr<StreamDecoder>> StreamDecoder::create(const StreamFormat& format) {
  STENOD_RETURN_IF_ERROR(check(format));
  auto impl = std::make_unique<Impl>(format);
  STENOD_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<StreamDecoder>(new StreamDecoder(std::move(impl)));
}

StreamDecoder::StreamDecoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamDecoder::~StreamDecoder() = default;

Status StreamDecoder::push(std::span<const std::byte> bytes, ChannelSamples& samples) {
  return impl_->push(bytes, samples);
}
Status StreamDecoder::finish(ChannelSamples& samples) { return impl_->finish(samples); }

int StreamDecoder::num_channels() const { return impl_->format().num_channels; }
std::int64_t StreamDecoder::num_input_frames() const {
  return impl_->source() == nullptr ? 0 : impl_->source()->num_input_frames();
}
int StreamDecoder::input_sample_rate() const {
  if (impl_->source() != nullptr) return impl_->source()->input_sample_rate();
  return impl_->format().encoding == StreamEncoding::kOpus ? kOpusSampleRate : impl_->format().sample_rate;
}
StreamCounters StreamDecoder::counters() const {
  return impl_->source() == nullptr ? StreamCounters() : impl_->source()->counters();
}

}  // namespace stenod::audio
