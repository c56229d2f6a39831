#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "audio/stream_decoder.h"
#include "base/result.h"

namespace stenod::audio {

/// One way in which live audio arrives. StreamDecoder chooses it.
class StreamSource {
 public:
  virtual ~StreamSource() = default;

  /// Appends what `bytes` yield to `samples`, [num_channels][sample].
  virtual Status push(std::span<const std::byte> bytes, ChannelSamples& samples) = 0;
  virtual Status finish(ChannelSamples& samples) = 0;

  virtual std::int64_t num_input_frames() const = 0;
  virtual int input_sample_rate() const = 0;
  virtual StreamCounters counters() const = 0;
};

/// `format` has been checked; its encoding is not kAuto.
Result<std::unique_ptr<StreamSource>> make_pcm_source(const StreamFormat& format);
Result<std::unique_ptr<StreamSource>> make_opus_source(int num_channels);
/// `container` is FFmpeg's name of it, a literal. Of its channels 1 is all mixed.
Result<std::unique_ptr<StreamSource>> make_container_source(const char* container, int num_channels);
/// A stream that begins as a WAV file.
std::unique_ptr<StreamSource> make_wav_source(int num_channels);

}  // namespace stenod::audio
