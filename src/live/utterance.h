#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "audio/features.h"
#include "base/result.h"
#include "engine/window_result.h"
#include "live/events.h"
#include "live/hypothesis.h"

namespace stenod::live {

/// What was said right before an utterance: its audio is decoded along, with its text given, so that the model knows
/// what the speaker is in the middle of.
struct Context {
  std::int64_t begin = 0, end = 0;  ///< of its audio
  std::vector<int> tokens;
  std::optional<int> language;
};

/// The request of an utterance's final that is under way. Made while the speaker pauses, before it is sure that the
/// utterance is over.
struct FinalRequest {
  std::int64_t begin = 0, end = 0;  ///< of the audio it covers
  std::optional<Context> context;
  int num_asked = 1;                         ///< how often the engine has been asked about it
  std::optional<engine::WindowResult> best;  ///< what it has answered before
  std::shared_ptr<const audio::LogMel> features;
  std::stop_source stop;
  bool is_submitted = false;  ///< false: it waits for room in the engine, or for the language
  std::optional<Result<engine::WindowResult>> outcome;
};

/// A hypothesis, and the end of the audio that it was made of.
struct Heard {
  std::int64_t end = 0;
  Hypothesis hypothesis;
};

/// An utterance on its way from first sound to final text. Positions are samples at 16 kHz from the stream's start.
struct Utterance {
  std::int64_t id = 0;
  std::int64_t begin = 0;         ///< of its audio, pre-roll included; on the grid of log-mel frames
  std::int64_t speech_begin = 0;  ///< of what is heard, for the client
  std::int64_t speech_end = 0;
  float speech_peak = 0;      ///< the detector's highest probability
  bool is_confirmed = false;  ///< long enough to be no noise

  // What it accounts for in the ledger; differs from its audio where pieces overlap.
  std::int64_t share_begin = 0, share_end = 0;

  std::deque<Heard> heard;      ///< the latest last; those before it as far as they are needed to tell what has settled
  std::vector<int> stable;      ///< tokens that have been promised to the client
  std::int64_t stable_end = 0;  ///< where their audio ends, as far as it is known
  std::optional<int> language;  ///< when it began, or was changed, or settled with the first promise
  int revision = 0;

  std::int64_t asked_at = 0;                  ///< from which on the interval to the next partial counts
  std::shared_ptr<std::stop_source> partial;  ///< the one that is at work

  std::shared_ptr<FinalRequest> final_request;
  FinalReason reason = FinalReason::kSilence;

  /// Empty before anything was understood.
  const Hypothesis& latest() const {
    static const Hypothesis kNone;
    return heard.empty() ? kNone : heard.back().hypothesis;
  }
};

}  // namespace stenod::live
