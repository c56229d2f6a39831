#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace stenod::transcribe {

/// Samples [start, end) of a recording, at 16 kHz.
struct Piece {
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - start; }
  bool operator==(const Piece&) const = default;
};

/// A window for the engine: pieces of a recording, in order and one after another, without what lies between them.
struct Window {
  std::vector<Piece> pieces;

  std::int64_t num_samples() const;
  std::int64_t start() const { return pieces.front().start; }
  std::int64_t end() const { return pieces.back().end; }
  /// The recording's time, in seconds, of a time in the window. Where two pieces meet, a start belongs to the later one
  /// and an end to the earlier one. Times outside of the window count as its ends.
  double start_time(double window_s) const;
  double end_time(double window_s) const;
};

inline constexpr std::int64_t kMaxWindowSamples = 30 * 16000;

/// Packs stretches of speech into windows of up to 30 s, so that what is encoded is speech. A pause of more than
/// `max_pause_samples` ends a window: what is said after it has little to do with what was said before.
class WindowPacker {
 public:
  explicit WindowPacker(std::int64_t max_pause_samples) : max_pause_samples_(max_pause_samples) {}

  /// The next stretch of speech, at most kMaxWindowSamples long, not before the end of the last one. Gives the window
  /// that this completes, if it does.
  std::optional<Window> push(const Piece& speech);
  /// Where the window starts that is being packed, if there is one.
  std::optional<std::int64_t> open_start() const;
  /// The recording is over: what is left.
  std::optional<Window> finish();

 private:
  std::int64_t max_pause_samples_;
  Window open_;
};

}  // namespace stenod::transcribe
