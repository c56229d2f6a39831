#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/slot_table.h"
#include "whisper/window_decoder.h"

namespace stenod::engine {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

/// What all requests of an engine share.
struct Model {
  whisper::SpecialTokens tokens;
  TextFunctions text;
};

/// One accepted request on its way: waits, holds a slot and a decoder, waits again for a longer window, is answered.
/// Belongs to the loop.
struct WindowTask {
  Request request;
  Callback callback;
  std::uint64_t arrival = 0;
  int real_frames = 0;  ///< encoder frames of the audio
  int attempt = 0;
  int num_frames = 0;      ///< encoder frames of this attempt's window
  std::size_t warmth = 0;  ///< index of this attempt's temperature
  int num_decoded = 0;     ///< attempts whose text is there
  SlotHandle slot;
  std::optional<whisper::WindowDecoder> decoder;  ///< from encoded to finished
  std::optional<WindowResult> best;               ///< of the temperatures tried so far, while another is tried
  bool is_limited = false;                        ///< the decoder knows the bound of its language
  int turns_waited = 0;                           ///< steps since it was last part of one
  Clock::time_point submitted;
  Clock::time_point encoded;
  Timings timings;
  bool is_queued = true;  ///< counts among those that the queue holds; repeats do not

  /// Goes on with a window of attempt `n`'s length.
  void set_attempt(int n);
  /// Starts decoding in the slot, whose window has been encoded.
  void start_decoding(const Model& model, int max_text_positions);
  float temperature() const { return request.options.search.temperatures[warmth]; }
  bool may_be_longer() const { return request.options.may_repeat && num_frames < whisper::kMaxEncoderFrames; }
  bool may_be_warmer() const {
    return request.options.may_repeat && warmth + 1 < request.options.search.temperatures.size();
  }
};

/// What comes after an attempt.
enum class NextAttempt {
  kNone,          ///< there is a result
  kLongerWindow,  ///< to be encoded again
  kWarmer,        ///< the same window at the next temperature
};

/// Why a request must end now, if it must.
std::optional<Error> reason_to_end(const WindowTask& task, Clock::time_point now);

/// Judges a task whose decoder has finished: what comes next, and if it is nothing, the result in `task.best`.
/// `decoded` is what its decoder gave. Reads the alignment from the runner.
Result<NextAttempt> conclude(WindowTask& task, const Model& model, whisper::Runner& runner,
                             const whisper::DecodedWindow& decoded);

}  // namespace stenod::engine
