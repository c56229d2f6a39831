#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>

#include "audio/decoder.h"
#include "base/result.h"

namespace stenod::audio {

/// Records from this machine's sound system by FFmpeg's libavdevice, which is looked for when it is needed: the program
/// does not depend on it. Used by one thread at a time; blocks.
class Microphone {
 public:
  /// `device` is a name of ALSA's or PulseAudio's ("hw:1", "alsa:plughw:0"), or empty for the default one.
  /// Errors: kNotSupported (no libavdevice), kNotFound (no such device, no microphone), kCancelled.
  static Result<std::unique_ptr<Microphone>> open(const std::string& device, std::stop_token stop);

  ~Microphone();

  /// Replaces `samples` by what was recorded next: one channel at kSampleRate. Errors: kIoError (the device is gone),
  /// kCancelled.
  Status read(ChannelSamples& samples);

 private:
  class Impl;
  explicit Microphone(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::audio
