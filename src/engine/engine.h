#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "audio/features.h"
#include "base/result.h"
#include "engine/window_result.h"
#include "scheduler/policy.h"
#include "text/words.h"
#include "whisper/decoding_options.h"
#include "whisper/runner.h"
#include "whisper/special_tokens.h"

namespace stenod::engine {

/// One window of audio to be written down.
struct Request {
  /// Up to 30 s: 1 to audio::kMaxWindowFrames frames, without padding, not normalised.
  std::shared_ptr<const audio::LogMel> audio;
  scheduler::RequestClass request_class = scheduler::RequestClass::kBatch;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token cancellation;
  /// May be empty. Called when the window is encoded for the first time, which is most of its work, under the same
  /// rules as the Callback.
  std::function<void()> on_encoded;
  whisper::DecodingOptions options;
};

/// Receives a request's outcome, once, on the engine's thread: it must not block, throw or call stop(); it may submit.
/// Errors: kCancelled, kDeadlineExceeded, kShuttingDown, kInternal, or what the runner reported.
using Callback = std::function<void(Result<WindowResult>)>;

/// What the engine asks of a tokenizer. The functions are called on the engine's thread.
struct TextFunctions {
  std::function<std::string(std::span<const int> text_tokens)> detokenise;
  /// text::split_to_words(), punctuation not merged yet. `language_token` is -1 for English-only models. Only called
  /// for requests that need words: with `word_times` or cut into sentences.
  std::function<std::vector<text::WordTokens>(std::span<const int> text_tokens, int language_token)> split_words;
  /// text::max_tokens_for(): more text than anyone says in that time.
  std::function<int(int language_token, double seconds)> max_text_tokens;
};

struct EngineOptions {
  int max_queued = 64;          ///< requests that wait for a slot; each holds up to 1 MB of log-mel frames
  int reserved_live_slots = 2;  ///< see scheduler::Limits; one slot is always left to others
};

/// Counters since the start.
struct Statistics {
  std::uint64_t submitted = 0, completed = 0, failed = 0, cancelled = 0, deadline_exceeded = 0, overloaded = 0;
  std::uint64_t repeats = 0;
  std::uint64_t groups = 0, windows_encoded = 0, frames_encoded = 0, steps = 0;
  std::vector<std::uint64_t> steps_by_rows;  ///< [max_rows + 1]: steps that had so many rows
  double encode_s = 0, step_s = 0;           ///< time in the runner
  double sampling_s = 0;                     ///< time spent on choosing tokens
  double live_final_s = 0;                   ///< of all that time, what live finals took
  double live_partial_s = 0;                 ///< the same for live partials
  int num_waiting = 0, num_active = 0;
};

enum class StopMode {
  kDrain,   ///< finish what was accepted
  kCancel,  ///< answer it with kShuttingDown
};

class Loop;

/// Runs requests on one device: a thread that owns the model's runner and its slots, and turn by turn does what the
/// scheduler plans. Sequences join and leave between steps.
///
/// All member functions may be called by any thread, unless they say otherwise. Every accepted request gets its
/// callback exactly once. A failing request never harms another.
class Engine {
 public:
  /// Starts the thread. kInvalidArgument when the tokens do not fit the model, a function is missing, or the runner is
  /// too small for one window.
  static Result<std::unique_ptr<Engine>> create(std::unique_ptr<whisper::Runner> runner, whisper::SpecialTokens tokens,
                                                TextFunctions text, EngineOptions options = {});
  ~Engine();  ///< stop(kCancel)
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Never blocks on the device. An error means that the callback will not be called: kOverloaded when the queue is
  /// full, kShuttingDown after stop(), kInvalidArgument for a request that the model cannot take.
  Status submit(Request request, Callback callback);

  /// Takes no more requests, deals with those accepted, and returns when the thread has ended. May be called again,
  /// also by another thread meanwhile: kCancel ends a drain. Not to be called from a callback.
  void stop(StopMode mode);

  Statistics statistics() const;

 private:
  explicit Engine(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;  ///< what the thread runs; see loop.h
};

}  // namespace stenod::engine
