#include "quality/evaluation.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "quality/word_timing.h"

namespace stenod::quality {
namespace {

RecordingResult score(const Recording& recording, const Hypothesis& hypothesis) {
  // Text where nobody speaks is cleaned by the English rules, whatever language it is in.
  const std::string_view language = recording.is_speech() ? std::string_view(recording.language) : "en";
  return {recording.id,
          recording.language,
          recording.kind,
          recording.text,
          hypothesis.text,
          hypothesis.failure,
          compare(compared_text(recording.text, language), compared_text(hypothesis.text, language))};
}

void measure_timing(const Recording& recording, const Hypothesis& hypothesis, std::optional<TimingResult>& timing) {
  if (recording.parts.empty() || hypothesis.words.empty()) return;
  if (!timing) timing.emplace();
  const auto errors = part_start_errors(recording.parts, hypothesis.words, recording.language);
  ++timing->num_recordings;
  timing->num_parts += recording.parts.size();
  timing->errors_s.insert(timing->errors_s.end(), errors.begin(), errors.end());
}

template <typename ShareOf>
ErrorRate rate_over(std::span<const RecordingResult> results, const std::vector<std::size_t>& members,
                    ShareOf share_of) {
  std::vector<Share> shares;
  for (const std::size_t index : members) shares.push_back(share_of(results[index]));
  return {rate_of(shares), bootstrap_interval(shares)};
}

}  // namespace

std::size_t Evaluation::num_failed() const {
  return static_cast<std::size_t>(std::count_if(recordings.begin(), recordings.end(),
                                                [](const auto& result) { return result.failure.has_value(); }));
}

std::vector<std::string> groups_of(const RecordingResult& result) {
  return {result.language == "en" ? "all en" : "all other", result.kind + ' ' + result.language,
          "set " + result.id.substr(0, result.id.find('-'))};
}

std::vector<std::pair<std::string, std::vector<std::size_t>>> group_recordings(
    std::span<const RecordingResult> results) {
  std::map<std::pair<bool, std::string>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].is_scored()) continue;
    for (const std::string& name : groups_of(results[i])) groups[{name.starts_with("set "), name}].push_back(i);
  }
  std::vector<std::pair<std::string, std::vector<std::size_t>>> out;
  for (auto& [key, members] : groups) out.emplace_back(key.second, std::move(members));
  return out;
}

Evaluation evaluate(std::span<const Recording> recordings, std::span<const Hypothesis> hypotheses) {
  assert(recordings.size() == hypotheses.size());
  Evaluation out;
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    out.recordings.push_back(score(recordings[i], hypotheses[i]));
    measure_timing(recordings[i], hypotheses[i], out.timing);
  }
  if (out.timing) std::sort(out.timing->errors_s.begin(), out.timing->errors_s.end());
  for (const auto& [name, members] : group_recordings(out.recordings)) {
    GroupResult group{name, members.size()};
    for (const std::size_t index : members) {
      const TextErrors& errors = out.recordings[index].errors;
      group.words += errors.words;
      group.characters += errors.characters;
      group.character_errors += errors.character_errors;
    }
    group.word_error_rate = rate_over(out.recordings, members, word_share);
    group.character_error_rate = rate_over(out.recordings, members, character_share);
    out.groups.push_back(std::move(group));
  }
  return out;
}

std::vector<std::size_t> with_most_errors(std::span<const RecordingResult> results, bool speech, std::size_t count) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool is_wanted = speech ? results[i].is_scored() : !results[i].is_speech();
    if (is_wanted && results[i].errors.words.errors() > 0) out.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) {
    return results[a].errors.words.errors() > results[b].errors.words.errors();
  });
  out.resize(std::min(out.size(), count));
  return out;
}

Share word_share(const RecordingResult& result) {
  return {result.errors.words.errors(), result.errors.words.reference_size()};
}

Share character_share(const RecordingResult& result) {
  return {result.errors.character_errors, result.errors.characters};
}

}  // namespace stenod::quality
