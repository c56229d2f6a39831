#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "audio/decoder.h"
#include "base/result.h"

namespace stenod::audio {

enum class StreamEncoding {
  kAuto,     ///< float32, unless the first bytes are those of a container
  kFloat32,  ///< little-endian, full scale is 1.0
  kInt16,    ///< little-endian
  kMuLaw,    ///< ITU-T G.711
  kALaw,     ///< ITU-T G.711
  kOpus,     ///< each message is exactly one packet (RFC 6716), or else a piece of WebM or Ogg
};

/// As settings spell them: auto, f32le, s16le, mulaw, alaw, opus.
std::optional<StreamEncoding> parse_stream_encoding(std::string_view name);
std::string_view stream_encoding_name(StreamEncoding encoding);

struct StreamFormat {
  static constexpr int kMinSampleRate = 8000;
  static constexpr int kMaxSampleRate = 48000;
  static constexpr int kMaxChannels = 8;

  StreamEncoding encoding = StreamEncoding::kAuto;
  int sample_rate = kSampleRate;  ///< Hz; Opus and containers have their own
  /// Interleaved. Opus: 1 or 2. Of a container 1 means all mixed, more means that many and each for itself.
  int num_channels = 1;

  bool operator==(const StreamFormat&) const = default;
};

/// Whether kAuto takes a stream that begins so for a container; 12 bytes are enough to tell.
bool begins_container(std::span<const std::byte> bytes);

/// What was wrong with the audio, so far.
struct StreamCounters {
  std::int64_t num_not_finite = 0;       ///< samples that were NaN or infinite and count as 0
  std::int64_t num_clipped = 0;          ///< samples beyond [-1, 1]
  std::int64_t num_damaged_packets = 0;  ///< of Opus, which are silence then; of containers, where they are left out
  std::int64_t num_ignored_bytes = 0;    ///< at the end, of half a sample or frame; after a container's own end
};

/// Turns audio that arrives as bytes over a live connection into 16-bit samples at kSampleRate, one stream a channel.
///
/// What comes out does not depend on how the bytes were cut into messages (except that a message of Opus is a packet),
/// and does not drift: after finish() it is round(input frames * kSampleRate / rate) samples (of containers within
/// one), and before that at most 2 ms less. Memory is bounded whatever is sent; nothing leads to the network or to a
/// file.
///
/// Used by one thread at a time. Does not block, but computes; with a container in a thread of its own.
class StreamDecoder {
 public:
  /// Errors: kInvalidArgument, kOutOfMemory.
  static Result<std::unique_ptr<StreamDecoder>> create(const StreamFormat& format);

  ~StreamDecoder();

  /// Replaces `samples` by what these bytes yield: [channel][sample], all channels of the same length, possibly 0.
  /// Bytes of half a sample or frame wait for the next message. Errors: kAudio…, kOutOfMemory; then it stays there.
  Status push(std::span<const std::byte> bytes, ChannelSamples& samples);

  /// Ends the stream: the same for what was held back. Not to be followed by push().
  Status finish(ChannelSamples& samples);

  int num_channels() const;
  /// Samples per channel that came in, at input_sample_rate().
  std::int64_t num_input_frames() const;
  /// Of a container, once its first samples came out; kOpus has 48000.
  int input_sample_rate() const;
  StreamCounters counters() const;

 private:
  class Impl;
  explicit StreamDecoder(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::audio
