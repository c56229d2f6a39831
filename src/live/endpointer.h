#pragma once

#include <cstdint>
#include <optional>

namespace stenod::live {

/// Where speech starts and ends, decided with every 32 ms from the probabilities of the voice activity detector, with
/// Silero's hysteresis: speech starts at `threshold`, and a silence is what begins below threshold - 0.15 and has not
/// come back to `threshold`.
///
/// Positions are samples at 16 kHz from the stream's start. One thread at a time.
class Endpointer {
 public:
  static constexpr std::int64_t kChunkSamples = 512;

  explicit Endpointer(float threshold);

  /// The probability of the next chunk.
  void push(float probability);

  /// Speech, or a silence behind speech, goes on.
  bool is_open() const { return speech_begin_.has_value(); }
  /// Precondition for these: is_open().
  std::int64_t speech_begin() const { return *speech_begin_; }
  std::int64_t speech_end() const { return speech_end_; }  ///< so far: where the silence now began
  std::int64_t silence() const { return position_ - speech_end_; }

  /// The end of what was judged.
  std::int64_t position() const { return position_; }

  /// Forgets the open speech: what comes is judged as after silence.
  void close() { speech_begin_.reset(); }
  /// The open speech counts from here on; what was before has been dealt with.
  void restart_at(std::int64_t begin);

 private:
  float threshold_;
  float neg_threshold_;
  std::int64_t position_ = 0;
  std::optional<std::int64_t> speech_begin_;
  std::int64_t speech_end_ = 0;
  bool in_silence_ = false;
};

}  // namespace stenod::live
