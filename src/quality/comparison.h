#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "quality/bootstrap.h"
#include "quality/evaluation.h"

namespace stenod::quality {

/// A group's error rates before and after, and what lies between them.
struct GroupDifference {
  std::string name;
  std::size_t num_recordings = 0;
  double words_before = 0, words_after = 0;  ///< word error rates
  PairedDifference words = {};
  double characters_before = 0, characters_after = 0;  ///< character error rates
  PairedDifference characters = {};
};

/// A recording whose number of word errors changed.
struct RecordingChange {
  std::string id;
  std::size_t errors_before = 0, errors_after = 0;
  std::size_t words = 0;  ///< of the reference
};

struct Comparison {
  std::vector<GroupDifference> groups;
  std::vector<RecordingChange> better, worse;               ///< those that changed most, at most kMaxChanges each
  std::size_t num_better = 0, num_worse = 0;                ///< of all
  std::size_t non_speech_before = 0, non_speech_after = 0;  ///< recordings without speech that have text
};
inline constexpr std::size_t kMaxChanges = 10;

/// Whether two results are on the same recordings, in any order. Error: kReportsDiffer where the recordings or their
/// references differ, with the names of some.
Status check_comparable(std::span<const RecordingResult> before, std::span<const RecordingResult> after);

/// Compares two results. Error: that of check_comparable().
Result<Comparison> compare(std::span<const RecordingResult> before, std::span<const RecordingResult> after);

}  // namespace stenod::quality
