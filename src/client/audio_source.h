#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "audio/stream_decoder.h"
#include "base/result.h"

namespace stenod::client {

/// The next piece of audio.
struct AudioBlock {
  std::vector<std::byte> bytes;  ///< empty: the end
  double duration_s = 0;         ///< 0 where it is not known
};

/// Where audio to be sent comes from. Used by one thread, but for stop(); reading waits for the audio.
class AudioSource {
 public:
  virtual ~AudioSource() = default;

  /// Errors: kIoError, kAudio….
  virtual Result<AudioBlock> read() = 0;

  /// Ends a read that waits: from then on there is no more. Any thread.
  void stop() { stop_.request_stop(); }
  std::stop_token stop_token() const { return stop_.get_token(); }

  /// What the blocks hold. Of standard input known only after the first read().
  virtual audio::StreamFormat format() const = 0;

  /// It comes as fast as it was spoken, or else may be read at any speed.
  virtual bool is_live() const = 0;

 private:
  std::stop_source stop_;
};

/// Anything that FFmpeg reads, mixed to one channel, in blocks of 100 ms.
Result<std::unique_ptr<AudioSource>> open_file_source(const std::filesystem::path& path);

/// Bytes from a file descriptor (a pipe, usually) as they come. With kAuto they are a container if they begin like one,
/// and otherwise 16-bit samples, as recording programs write them.
std::unique_ptr<AudioSource> make_pipe_source(int fd, const audio::StreamFormat& format);

/// The microphone; `device` as for audio::Microphone.
Result<std::unique_ptr<AudioSource>> open_microphone_source(const std::string& device);

}  // namespace stenod::client
