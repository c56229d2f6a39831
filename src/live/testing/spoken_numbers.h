#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "live/speech_model.h"

namespace stenod::live::testing {

/// Audio that says numbers, and a model that understands it: number i is a tone of 300 ms whose loudness tells i, with
/// 100 ms of silence behind it. The model reads them out of the log-mel frames of a request, so what a test reads has
/// gone the whole way, and it shows if a word was cut off, left out or written twice.
inline constexpr int kNumNumbers = 280;
inline constexpr std::int64_t kNumberSamples = 4800, kGapSamples = 1600;

void say(std::vector<std::int16_t>& samples, int number);
void pause(std::vector<std::int16_t>& samples, double seconds);
/// "w7" for 7; each tenth ends a sentence: "w9.".
std::string word(int number);

/// The model's side. Any thread.
class NumberModel {
 public:
  /// What the engine does with a request; by default it understands at once.
  enum class Answer {
    kText,
    kSuppressed,
    kFails,
    kOverloaded,
    kEcho,  ///< what was given, once more
    kMark,  ///< nothing but a full stop behind what was given
  };
  std::function<Answer(const engine::Request&)> answer_of;
  /// How sure it is of its text; by default it is.
  std::function<float(const engine::Request&)> logprob_of;
  /// It says itself that it is not.
  bool is_doubtful = false;
  /// Answers wait until release() instead of coming at once.
  bool holds_answers = false;

  SpeechModel model();
  /// Gives out the oldest answer that waits, or `index` places behind it. False: none does.
  bool release(std::size_t index = 0);

  std::size_t num_requests() const;
  std::vector<engine::Request> requests() const;

 private:
  Status recognise(engine::Request request, engine::Callback callback);

  mutable std::mutex mutex_;
  std::vector<engine::Request> requests_;
  std::deque<std::function<void()>> held_;
};

/// What the model reads out of a request's audio.
engine::WindowResult understand(const engine::Request& request);

}  // namespace stenod::live::testing
