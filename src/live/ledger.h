#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace stenod::live {

/// Samples of one channel by what became of them.
struct LedgerTotals {
  std::int64_t received = 0;
  std::int64_t transcribed = 0;
  std::int64_t silence = 0;
  std::map<std::string, std::int64_t> dropped;  ///< by reason
};

/// What became of each sample of a channel: intervals that are entered by whoever decides them, the endpointer's
/// silences and the engine's answers. Nothing is computed as the rest of something else, so check() can find a defect.
///
/// One thread at a time. Neighbours of one kind are merged: memory grows with the number of utterances.
class Ledger {
 public:
  void add_transcribed(std::int64_t begin, std::int64_t end) { add({begin, end, Kind::kTranscribed, {}}); }
  void add_silence(std::int64_t begin, std::int64_t end) { add({begin, end, Kind::kSilence, {}}); }
  /// `reason`: a stable snake_case name.
  void add_dropped(std::int64_t begin, std::int64_t end, std::string reason) {
    add({begin, end, Kind::kDropped, std::move(reason)});
  }

  /// kInternal unless the intervals cover [0, num_samples), each sample once.
  Status check(std::int64_t num_samples) const;

  /// Sums, in input frames: sample s of `num_samples` at 16 kHz is frame s * num_frames / num_samples.
  LedgerTotals totals(std::int64_t num_samples, std::int64_t num_frames) const;

 private:
  enum class Kind { kTranscribed, kSilence, kDropped };
  struct Interval {
    std::int64_t begin, end;
    Kind kind;
    std::string reason;
  };
  void add(Interval interval);

  std::vector<Interval> intervals_;  ///< by begin
};

}  // namespace stenod::live
