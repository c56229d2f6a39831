#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "audio/decoder.h"
#include "base/result.h"

namespace stenod::transcribe {

/// A part of a recording that is to be transcribed: samples [start, end) at 16 kHz.
struct Clip {
  std::int64_t start = 0;
  std::int64_t end = std::numeric_limits<std::int64_t>::max();  ///< by default the recording's
  bool operator==(const Clip&) const = default;
};

inline constexpr std::size_t kMaxClips = 10000;

/// The clips of START, END, START, END, … in seconds, in order and without overlaps. The last END may be missing: then
/// the clip ends with the recording. No numbers at all stand for the whole recording. Error: kInvalidArgument.
Result<std::vector<Clip>> make_clips(std::span<const double> timestamps);

/// Reads of a recording what its clips want, and nothing behind the last one. One thread.
class ClipReader {
 public:
  /// `decoder` must outlive the reader. `clips` as make_clips() gives them.
  ClipReader(audio::Decoder& decoder, std::vector<Clip> clips) : decoder_(decoder), clips_(std::move(clips)) {}

  enum class Event {
    kSamples,  ///< the next samples of a clip
    kClipEnd,  ///< the clip whose samples came last is over
    kEnd,      ///< there are no more clips, or the recording is over
  };
  /// Replaces `samples`, with kSamples. Errors are those of audio::Decoder::read(); what follows them are the ends.
  Result<Event> read(audio::ChannelSamples& samples);

  /// Where the current clip begins.
  std::int64_t clip_start() const { return clips_[clip_].start; }
  /// Samples of the recording that were read, or passed over.
  std::int64_t position() const { return position_; }
  /// Whether the recording is over, so that position() is its length.
  bool at_end() const { return at_end_; }

 private:
  audio::Decoder& decoder_;
  std::vector<Clip> clips_;
  std::size_t clip_ = 0;  ///< index of the current clip
  bool has_begun_ = false;
  bool at_end_ = false;
  std::int64_t position_ = 0;
  audio::ChannelSamples block_;  ///< of the decoder
  std::size_t block_size_ = 0;
  std::size_t used_ = 0;  ///< samples of the block
};

}  // namespace stenod::transcribe
