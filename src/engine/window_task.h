#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/slot_table.h"
#include "whisper/greedy_decoder.h"

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
  int num_frames = 0;  ///< encoder frames of this attempt's window
  SlotHandle slot;
  std::optional<whisper::GreedyDecoder> decoder;  ///< from encoded to finished
  bool is_limited = false;                        ///< the decoder knows the bound of its language
  int turns_waited = 0;                           ///< steps since it was last part of one
  Clock::time_point submitted;
  Clock::time_point encoded;
  Timings timings;
  bool is_queued = true;  ///< counts among those that the queue holds; repeats do not

  /// Goes on with attempt `n`.
  void set_attempt(int n);
  bool is_last_attempt() const { return !request.options.may_repeat || num_frames == whisper::kMaxEncoderFrames; }
};

/// Why a request must end now, if it must.
std::optional<Error> reason_to_end(const WindowTask& task, Clock::time_point now);

/// The result of a task whose decoder has finished, or nothing when it is to be repeated. `decoded` is what its
/// decoder gave. Reads the alignment from the runner.
Result<std::optional<WindowResult>> conclude(const WindowTask& task, const Model& model, whisper::Runner& runner,
                                             const whisper::DecodedWindow& decoded);

}  // namespace stenod::engine
