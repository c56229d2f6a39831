#include "quality/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace stenod::quality {
namespace {

constexpr std::size_t kMaxNamed = 5;

/// "a, b, c and 7 more"
std::string some_of(const std::vector<std::string>& ids) {
  const std::size_t count = std::min(ids.size(), kMaxNamed);
  const std::string named =
      fmt::format("{}", fmt::join(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ", "));
  return ids.size() == count ? named : fmt::format("{} and {} more", named, ids.size() - count);
}

/// Earlier results in the order of the later ones.
Result<std::vector<RecordingResult>> pair_up(std::span<const RecordingResult> before,
                                             std::span<const RecordingResult> after) {
  std::unordered_map<std::string_view, const RecordingResult*> by_id;
  for (const RecordingResult& result : before) by_id.emplace(result.id, &result);
  std::vector<RecordingResult> paired;
  std::vector<std::string> only_after, only_before, changed;
  for (const RecordingResult& result : after) {
    const auto found = by_id.find(result.id);
    if (found == by_id.end()) {
      only_after.push_back(result.id);
      continue;
    }
    const RecordingResult& earlier = *found->second;
    if (earlier.reference != result.reference || earlier.language != result.language || earlier.kind != result.kind ||
        earlier.is_scored() != result.is_scored()) {
      changed.push_back(result.id);
    }
    paired.push_back(earlier);
    by_id.erase(found);
  }
  for (const RecordingResult& result : before) {
    if (by_id.contains(result.id)) only_before.push_back(result.id);
  }
  std::vector<std::string> problems;
  if (!only_before.empty()) problems.push_back("only in the other: " + some_of(only_before));
  if (!only_after.empty()) problems.push_back("not in the other: " + some_of(only_after));
  if (!changed.empty()) problems.push_back("other text, language or kind: " + some_of(changed));
  if (!problems.empty()) {
    return Error{
        ErrorCode::kReportsDiffer,
        fmt::format("the recordings differ, and only the same ones can be compared ({})", fmt::join(problems, "; "))};
  }
  return paired;
}

template <typename ShareOf>
std::vector<Share> shares_of(std::span<const RecordingResult> results, const std::vector<std::size_t>& members,
                             ShareOf share_of) {
  std::vector<Share> shares;
  for (const std::size_t index : members) shares.push_back(share_of(results[index]));
  return shares;
}

GroupDifference difference_of(const std::string& name, const std::vector<std::size_t>& members,
                              std::span<const RecordingResult> before, std::span<const RecordingResult> after) {
  GroupDifference out{name, members.size()};
  const auto words_before = shares_of(before, members, word_share);
  const auto words_after = shares_of(after, members, word_share);
  out.words_before = rate_of(words_before);
  out.words_after = rate_of(words_after);
  out.words = paired_bootstrap(words_before, words_after);
  const auto characters_before = shares_of(before, members, character_share);
  const auto characters_after = shares_of(after, members, character_share);
  out.characters_before = rate_of(characters_before);
  out.characters_after = rate_of(characters_after);
  out.characters = paired_bootstrap(characters_before, characters_after);
  return out;
}

std::size_t count_text_on_non_speech(std::span<const RecordingResult> results) {
  return static_cast<std::size_t>(std::count_if(results.begin(), results.end(),
                                                [](const auto& result) { return result.has_text_on_non_speech(); }));
}

/// Keeps those that changed most.
void keep_largest(std::vector<RecordingChange>& changes) {
  const auto size = [](const RecordingChange& change) {
    return std::max(change.errors_before, change.errors_after) - std::min(change.errors_before, change.errors_after);
  };
  std::stable_sort(changes.begin(), changes.end(), [&](const auto& a, const auto& b) { return size(a) > size(b); });
  changes.resize(std::min(changes.size(), kMaxChanges));
}

}  // namespace

Status check_comparable(std::span<const RecordingResult> before, std::span<const RecordingResult> after) {
  STENOD_ASSIGN_OR_RETURN([[maybe_unused]] const auto paired, pair_up(before, after));
  return {};
}

Result<Comparison> compare(std::span<const RecordingResult> before, std::span<const RecordingResult> after) {
  STENOD_ASSIGN_OR_RETURN(const std::vector<RecordingResult> paired, pair_up(before, after));
  Comparison out;
  for (const auto& [name, members] : group_recordings(after)) {
    out.groups.push_back(difference_of(name, members, paired, after));
  }
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (!after[i].is_scored()) continue;
    const RecordingChange change{after[i].id, paired[i].errors.words.errors(), after[i].errors.words.errors(),
                                 after[i].errors.words.reference_size()};
    if (change.errors_after < change.errors_before) out.better.push_back(change);
    if (change.errors_after > change.errors_before) out.worse.push_back(change);
  }
  out.num_better = out.better.size();
  out.num_worse = out.worse.size();
  keep_largest(out.better);
  keep_largest(out.worse);
  out.non_speech_before = count_text_on_non_speech(paired);
  out.non_speech_after = count_text_on_non_speech(after);
  return out;
}

}  // namespace stenod::quality
