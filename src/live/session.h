#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audio/stream_decoder.h"
#include "base/thread_pool.h"
#include "live/channel.h"
#include "live/channel_host.h"
#include "live/events.h"
#include "live/pacer.h"
#include "live/settings.h"

namespace stenod::live {

/// What an operator sees of a session.
struct SessionStatus {
  double audio_s = 0;    ///< received
  double ahead_s = 0;    ///< of the clock; negative: the client sends too slowly, or pauses
  double waiting_s = 0;  ///< audio whose final text is outstanding
  bool is_speaking = false;
  std::int64_t num_finals = 0;
  std::string language;
};

/// One live stream: bytes in, events out. Knows nothing of sockets or wire formats.
///
/// Used on one strand, on which it also takes the engine's answers; `emit` is called there. The stream's clock counts
/// samples, so times are right whatever the network does. Memory is bounded as long as the caller sends no more while
/// wants_audio() is false.
class Session final : public ChannelHost, public std::enable_shared_from_this<Session> {
 public:
  using Clock = std::chrono::steady_clock;
  struct Parts {
    SpeechModel model;
    std::shared_ptr<Pacer> pacer;
    Strand strand;
    std::function<void(Event)> emit;
    /// An utterance without text, for the log: channel, start, end, reason, what the engine had found.
    std::function<void(int, double, double, const std::string&, const std::string&)> on_suppressed;
  };

  /// Errors: kInvalidArgument with the setting as `param`; those of audio::StreamDecoder.
  static Result<std::shared_ptr<Session>> create(Parts parts, SessionSettings settings);
  ~Session() override;

  /// The next bytes from the client. An error means that they can't be decoded; end() the session then.
  Status push(std::span<const std::byte> bytes, Clock::time_point now);
  /// Ends the open utterances here.
  void finalize();
  /// No more audio: the remaining finals follow, then the End event. `reason` goes into it.
  void end(std::string reason);
  /// Gives up the finals that are outstanding; they are dropped with this reason. The End event follows at once.
  void abandon(const std::string& reason);
  /// The same after an exception, with the reason `internal`. Throws nothing.
  void fail();
  /// For what depends on time alone, about once a second.
  void tick(Clock::time_point now);
  /// A language's code, or none: to be found out anew. kInvalidArgument when the model doesn't know it.
  Status set_language(const std::optional<std::string>& code);

  /// False while so much audio waits for its text that no more should be read.
  bool wants_audio() const;
  bool is_over() const { return is_over_; }
  SessionStatus status() const;
  double audio_s() const;

  // ChannelHost
  const SpeechModel& model() const override { return parts_.model; }
  const SessionSettings& settings() const override { return settings_; }
  const std::vector<int>& prompt() const override { return prompt_; }
  std::int64_t next_utterance() override { return ++num_utterances_; }
  void emit(Event event) override;
  std::function<void(std::function<void()>)> poster() override;
  scheduler::RequestClass final_class() const override;
  bool wants_partials() const override { return !is_ahead_; }
  double partial_stretch() const override;
  void on_suppressed(int channel, double start, double end, const std::string& reason,
                     const std::string& text) override;

 private:
  Session(Parts parts, SessionSettings settings, std::unique_ptr<audio::StreamDecoder> decoder);
  void deliver(const audio::ChannelSamples& samples);
  void compare_clocks(Clock::time_point now);
  void conclude_if_done();
  std::int64_t waiting_samples() const;

  Parts parts_;
  SessionSettings settings_;
  std::vector<int> prompt_;
  std::unique_ptr<audio::StreamDecoder> decoder_;
  std::vector<std::unique_ptr<Channel>> channels_;
  audio::ChannelSamples samples_;
  std::int64_t num_utterances_ = 0;
  std::int64_t num_finals_ = 0;
  std::vector<std::pair<int, std::string>> texts_;  ///< of the finals, with their channel, where there are several
  std::string end_reason_;                          ///< set: no more audio
  bool is_over_ = false;
  bool has_warned_ = false;
  bool is_ahead_ = false;
  double ahead_s_ = 0;
  bool was_speaking_ = false;
  std::optional<Clock::time_point> last_audio_;
  Clock::time_point clock_zero_;  ///< when the first sample was due
  Clock::time_point pace_from_;
  double pace_from_audio_s_ = 0;
};

}  // namespace stenod::live
