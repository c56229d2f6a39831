#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stenod::quality {

/// A step of turning a reference into a hypothesis.
enum class Edit : std::uint8_t { kMatch, kSubstitution, kDeletion, kInsertion };

struct EditCounts {
  std::size_t matches = 0, substitutions = 0, deletions = 0, insertions = 0;

  std::size_t errors() const { return substitutions + deletions + insertions; }
  std::size_t reference_size() const { return matches + substitutions + deletions; }
  EditCounts& operator+=(const EditCounts& other);
  bool operator==(const EditCounts&) const = default;
};

/// What is compared: one number for each word or character.
using Symbols = std::span<const std::uint32_t>;

/// An alignment with the fewest errors (Levenshtein), from the start. Among equal ones a deletion is taken as late as
/// can be, as RapidFuzz does, so that the three kinds of errors are counted alike. Time grows with the product of the
/// sizes, 64 cells an instruction; memory with their sum, and 16 MB at most (Hirschberg, "A linear space algorithm for
/// computing maximal common subsequences", CACM 1975).
std::vector<Edit> align(Symbols reference, Symbols hypothesis);

EditCounts count_edits(std::span<const Edit> edits);

/// The number of errors alone.
std::size_t edit_distance(Symbols reference, Symbols hypothesis);

}  // namespace stenod::quality
