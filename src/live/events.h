#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "live/ledger.h"
#include "text/segment.h"

namespace stenod::live {

// What a session tells its client. Times are seconds from the stream's first sample; utterances are numbered from 1
// through all channels.

/// What is being said, as far as it is understood. Replaces the utterance's earlier partials.
struct Partial {
  int channel = 0;
  std::string text;
  std::string stable;  ///< a beginning of `text` that no later message of this utterance changes
  std::int64_t utterance = 0;
  int revision = 0;  ///< counts the utterance's partials from 1
  double start = 0, end = 0;
};

/// Why an utterance is over.
enum class FinalReason {
  kSilence,   ///< nobody spoke for `silence_ms`
  kLength,    ///< it goes on in the next utterance, without a pause
  kChunk,     ///< a piece of fixed length is full
  kFinalize,  ///< the client asked
  kStalled,   ///< the client has stopped sending
  kEnd,       ///< the stream is over
};
std::string_view reason_name(FinalReason reason);

/// The text of an utterance, once. Finals of one channel come in order.
struct Final {
  int channel = 0;
  std::string text;
  std::string full_transcript;  ///< of the channel so far, this text included; empty unless asked for
  std::int64_t utterance = 0;
  double start = 0, end = 0;
  std::string language;
  float language_probability = 0;
  std::vector<text::Word> words;  ///< empty unless asked for
  float avg_logprob = 0;
  float no_speech_prob = 0;
  FinalReason reason = FinalReason::kSilence;
};

/// Something that the client should know, and that does not end the session.
struct Warning {
  std::string code;
  std::string message;
};

/// The last event.
struct End {
  std::string full_transcript;         ///< of all channels, each on lines of its own
  std::vector<LedgerTotals> channels;  ///< in input frames
  std::int64_t num_not_finite = 0;     ///< samples that were no numbers, and counted as 0
  std::int64_t num_clipped = 0;        ///< samples beyond [-1, 1]
  bool is_accounted = true;            ///< false: samples are in no account or in two, a defect of this program
  std::string reason;                  ///< "end", or why the server ended the session
};

using Event = std::variant<Partial, Final, Warning, End>;

}  // namespace stenod::live
