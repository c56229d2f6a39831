#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace stenod::vad {

/// How probabilities become segments; the names, meanings and defaults of faster-whisper's VadOptions.
struct SegmenterOptions {
  /// Speech starts at a probability of at least `threshold` and may end below `neg_threshold` (default: threshold -
  /// 0.15, at least 0.01).
  double threshold = 0.5;
  std::optional<double> neg_threshold = {};
  /// Shorter segments are dropped.
  std::int64_t min_speech_ms = 0;
  /// Longer segments are split at their last silence of more than 98 ms, else where the time is up. Padding included.
  double max_speech_s = std::numeric_limits<double>::infinity();
  /// A segment ends with the first silence that lasts so long.
  std::int64_t min_silence_ms = 2000;
  /// Added on both sides of a segment, up to the middle between two segments.
  std::int64_t speech_pad_ms = 400;
};

/// Samples [start, end) at 16 kHz from the start of the stream.
struct SpeechSegment {
  std::int64_t start = 0;
  std::int64_t end = 0;
  bool operator==(const SpeechSegment&) const = default;
};

/// Turns the probabilities of speech of a stream, one for each 512 samples, into segments of speech.
///
/// Each segment comes out as soon as no later probability can change it. Over a whole recording the segments are those
/// of faster-whisper's get_speech_timestamps() for the same probabilities. Uses constant memory; one thread at a time.
class SpeechSegmenter {
 public:
  static constexpr std::int64_t kSampleRate = 16000;
  static constexpr std::int64_t kChunkSamples = 512;

  /// Error: kInvalidArgument, with the option as `param`.
  static Result<SpeechSegmenter> create(const SegmenterOptions& options);

  /// The probability of the next chunk. Appends what is decided by it to `segments`.
  void push(float probability, std::vector<SpeechSegment>& segments);

  /// The stream is over after `num_samples` samples; the last chunk may reach beyond them. Appends the rest; afterwards
  /// the object is as new.
  void finish(std::int64_t num_samples, std::vector<SpeechSegment>& segments);

  /// Where the speech that goes on now started, without padding; none in silence. It may yet turn out too short.
  std::optional<std::int64_t> open_start() const { return open_start_; }

 private:
  explicit SpeechSegmenter(const SegmenterOptions& options);
  void advance(float probability, std::vector<SpeechSegment>& segments);
  void close(std::int64_t end, std::optional<std::int64_t> next_start, std::vector<SpeechSegment>& segments);
  void reopen(std::optional<std::int64_t> start);
  void emit_pending(std::int64_t pad, std::vector<SpeechSegment>& segments);

  float threshold_;
  float neg_threshold_;
  std::int64_t min_speech_samples_;
  double max_speech_samples_;
  std::int64_t min_silence_samples_;
  std::int64_t pad_samples_;

  std::int64_t position_ = 0;  ///< first sample of the next chunk
  std::optional<std::int64_t> open_start_;
  /// Where the silence at the end of the open segment began.
  std::optional<std::int64_t> silence_start_;
  /// The last silence long enough to split the open segment at, and where speech went on after it, if it did.
  struct Split {
    std::int64_t end;
    std::optional<std::int64_t> next_start;
  };
  std::optional<Split> split_;

  /// The segment closed last, while its padding at the end depends on the next one; at the start it is padded.
  std::optional<SpeechSegment> pending_;
  std::optional<std::int64_t> last_end_;  ///< of the segment closed last, without padding
};

}  // namespace stenod::vad
