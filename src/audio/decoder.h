#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "audio/features.h"
#include "base/result.h"

namespace stenod::audio {

enum class ChannelMode {
  kMix,    ///< all channels mixed down to one
  kSplit,  ///< every channel for itself, for instance the two sides of a call
};

struct DecoderOptions {
  ChannelMode channels = ChannelMode::kMix;
  /// Ends open() and read() with kCancelled at their next look at the file.
  std::stop_token stop = {};
  /// What messages call the file; its extension tells formats that can't be told by their bytes. Empty: its path.
  std::string name = {};
};

class Input;

/// 16-bit samples at kSampleRate, [channel][sample]; all channels have the same length.
using ChannelSamples = std::vector<std::vector<std::int16_t>>;

/// Decodes one audio track of any file that FFmpeg's libraries read, block by block, in constant memory. Of several
/// tracks it takes the one that the file marks as its default, or else the one that FFmpeg would play.
///
/// Only the given file is read: playlists and references to other files or to the network are never followed. Positions
/// count the track's own samples; time stamps in the file are not looked at. Used by one thread at a time; blocks on
/// the file.
class Decoder {
 public:
  static constexpr int kMinSampleRate = 1000;
  static constexpr int kMaxSampleRate = 768000;
  static constexpr int kMaxChannels = 64;

  /// Opens a regular file. Errors: kNotFound, kPermissionDenied, kIoError, kInvalidArgument (no regular file),
  /// kAudio…, kCancelled, kOutOfMemory.
  static Result<std::unique_ptr<Decoder>> open(const std::filesystem::path& path, DecoderOptions options = {});

  /// The same for a file's bytes in memory, which must outlive the decoder. `name` is as in DecoderOptions.
  static Result<std::unique_ptr<Decoder>> open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                      DecoderOptions options = {});

  /// A live stream in the container that FFmpeg calls `container`. Reads no further ahead than it has to.
  static Result<std::unique_ptr<Decoder>> open_stream(std::unique_ptr<Input> input, const char* container,
                                                      DecoderOptions options = {});

  ~Decoder();

  /// 1 with kMix; the track's number with kSplit.
  int num_channels() const;

  /// The file's audio tracks, of which number audio_track() is decoded, counted from 1.
  int num_audio_tracks() const;
  int audio_track() const;

  /// What the file says, at most what its size allows where that is known; absent where it says nothing. Not to be
  /// relied on: headers lie.
  std::optional<double> estimated_duration_s() const;

  /// Replaces `samples` by the next block and returns its length per channel, or 0 at the end. Blocks are as the file
  /// has them, usually 10 to 200 ms. After an error, or the end, the decoder stays there.
  ///
  /// Damaged packets in between are left out and counted. Errors: kAudioCorrupt (nothing at all could be decoded),
  /// kAudioUnsupportedParameters (they may change within a file), kIoError, kCancelled, kOutOfMemory.
  Result<std::size_t> read(ChannelSamples& samples);

  /// Packets left out so far because they could not be decoded. More than 0 calls for a warning: positions after such a
  /// gap are early by its length.
  std::int64_t num_skipped_packets() const;

  /// What was decoded so far, in samples per channel at input_sample_rate(). That rate may change within a file.
  std::int64_t num_input_frames() const;
  int input_sample_rate() const;  ///< 0 before the first block

  /// After the end: seconds of audio that the file's header announces and its data do not hold, as when a transfer
  /// broke off. 0 for less than 2 s or 2 %, and for files that don't say how long they are (docs/audio.md).
  double missing_s() const;

 private:
  class Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::audio
