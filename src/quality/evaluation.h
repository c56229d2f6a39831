#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quality/bootstrap.h"
#include "quality/compared_text.h"
#include "quality/hypotheses.h"
#include "quality/manifest.h"

namespace stenod::quality {

/// What came of one recording.
struct RecordingResult {
  std::string id;
  std::string language;
  std::string kind;
  std::string reference;  ///< verbatim; empty: nobody speaks
  std::string text;       ///< that was written
  std::optional<std::string> failure = {};
  /// Against the reference. Where nobody speaks, every word that was written is an insertion.
  TextErrors errors = {};

  bool is_speech() const { return !reference.empty(); }
  /// Has words to be counted: a reference may be nothing but hesitations.
  bool is_scored() const { return is_speech() && errors.words.reference_size() > 0; }
  bool has_text_on_non_speech() const { return !is_speech() && errors.words.insertions > 0; }
};

/// An error rate over recordings: the errors of all over the words (or characters) of all.
struct ErrorRate {
  double rate = 0;
  std::optional<Interval> interval = {};
};

struct GroupResult {
  std::string name;
  std::size_t num_recordings = 0;
  EditCounts words = {};
  std::size_t characters = 0, character_errors = 0;
  ErrorRate word_error_rate = {}, character_error_rate = {};
};

/// How far words' times are from the truth; see part_start_errors().
struct TimingResult {
  std::size_t num_recordings = 0;
  std::size_t num_parts = 0;
  std::vector<double> errors_s = {};  ///< sorted; of the parts that could be measured
};

struct Evaluation {
  std::vector<RecordingResult> recordings;
  std::vector<GroupResult> groups;  ///< in the order in which they are shown
  std::optional<TimingResult> timing = {};

  std::size_t num_failed() const;
};

/// The groups that a recording counts in, as of speech and scored: by language and kind ("read en"), "all en" or "all
/// other", and by what its id begins with ("set ls").
std::vector<std::string> groups_of(const RecordingResult& result);

/// Members of a group, by name, in the order in which groups are shown: sets last.
std::vector<std::pair<std::string, std::vector<std::size_t>>> group_recordings(
    std::span<const RecordingResult> results);

/// Scores one hypothesis for each recording, in their order. One that failed counts with what text it has.
Evaluation evaluate(std::span<const Recording> recordings, std::span<const Hypothesis> hypotheses);

/// Positions of recordings with the most errors, of speech and with errors only; at most `count`.
std::vector<std::size_t> with_most_errors(std::span<const RecordingResult> results, bool speech, std::size_t count);

// What they add to the rates.
Share word_share(const RecordingResult& result);
Share character_share(const RecordingResult& result);

}  // namespace stenod::quality
