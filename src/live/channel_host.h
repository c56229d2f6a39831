#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "live/events.h"
#include "live/settings.h"
#include "live/speech_model.h"
#include "scheduler/policy.h"

namespace stenod::live {

/// What a channel asks of its session.
class ChannelHost {
 public:
  virtual ~ChannelHost() = default;
  virtual const SpeechModel& model() const = 0;
  virtual const SessionSettings& settings() const = 0;
  /// What every request has as prompt.
  virtual const std::vector<int>& prompt() const = 0;
  virtual std::int64_t next_utterance() = 0;
  virtual void emit(Event event) = 0;
  /// A function that any thread may call: it runs tasks on the session's strand, none after the session's end.
  virtual std::function<void(std::function<void()>)> poster() = 0;
  /// For what must be written; kInteractive for a sender that is ahead of the clock.
  virtual scheduler::RequestClass final_class() const = 0;
  /// Whether partials are wanted, and by how much their interval grows under load.
  virtual bool wants_partials() const = 0;
  virtual double partial_stretch() const = 0;
  /// An utterance without text: for the log and the accounting. `text` is what the engine had found.
  virtual void on_suppressed(int channel, double start, double end, const std::string& reason,
                             const std::string& text) = 0;
};

}  // namespace stenod::live
