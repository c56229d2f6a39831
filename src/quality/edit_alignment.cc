#include "quality/edit_alignment.h"

#include <algorithm>
#include <iterator>

namespace stenod::quality {
namespace {

using Numbers = std::vector<std::uint32_t>;

constexpr std::size_t kMaxCells = 16 << 20;

/// The same symbols, numbered from 0.
struct Numbered {
  Numbers reference, hypothesis;
  std::size_t num_symbols;
};

Numbered number(Symbols reference, Symbols hypothesis) {
  Numbers known(reference.begin(), reference.end());
  known.insert(known.end(), hypothesis.begin(), hypothesis.end());
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  const auto numbers = [&](Symbols symbols) {
    Numbers out;
    out.reserve(symbols.size());
    for (const std::uint32_t symbol : symbols) {
      out.push_back(static_cast<std::uint32_t>(std::lower_bound(known.begin(), known.end(), symbol) - known.begin()));
    }
    return out;
  };
  return {numbers(reference), numbers(hypothesis), known.size()};
}

/// Distances in the last row of the matrix: of the whole reference to each beginning of the hypothesis, the empty one
/// first. 64 rows at a time, as the differences between neighbours in bits (Myers, "A fast bit-vector algorithm for
/// approximate string matching based on dynamic programming", JACM 1999, section 4). `masks` holds a zero for each
/// symbol, and does so again afterwards.
Numbers last_row(Symbols reference, Symbols hypothesis, std::vector<std::uint64_t>& masks) {
  // Along the lower edge of the block: how much the distance grows from each column to the next.
  std::vector<std::int8_t> steps(hypothesis.size(), 1);
  for (std::size_t begin = 0; begin < reference.size(); begin += 64) {
    const Symbols rows = reference.subspan(begin, std::min<std::size_t>(64, reference.size() - begin));
    for (std::size_t i = 0; i < rows.size(); ++i) masks[rows[i]] |= std::uint64_t{1} << i;
    const std::uint64_t last = std::uint64_t{1} << (rows.size() - 1);
    std::uint64_t grows = ~std::uint64_t{0};  // bit i: the distance grows by one from row i to the next …
    std::uint64_t shrinks = 0;                // … or shrinks
    for (std::size_t j = 0; j < hypothesis.size(); ++j) {
      const int step = steps[j];
      std::uint64_t equal = masks[hypothesis[j]];
      const std::uint64_t vertical = equal | shrinks;
      if (step < 0) equal |= 1;
      const std::uint64_t horizontal = (((equal & grows) + grows) ^ grows) | equal;
      std::uint64_t right_grows = shrinks | ~(horizontal | grows);
      std::uint64_t right_shrinks = grows & horizontal;
      steps[j] = static_cast<std::int8_t>(((right_grows & last) != 0 ? 1 : 0) - ((right_shrinks & last) != 0 ? 1 : 0));
      right_grows = (right_grows << 1) | (step > 0 ? 1 : 0);
      right_shrinks = (right_shrinks << 1) | (step < 0 ? 1 : 0);
      grows = right_shrinks | ~(vertical | right_grows);
      shrinks = right_grows & vertical;
    }
    for (const std::uint32_t symbol : rows) masks[symbol] = 0;
  }
  Numbers row = {static_cast<std::uint32_t>(reference.size())};
  row.reserve(hypothesis.size() + 1);
  for (const std::int8_t step : steps) row.push_back(row.back() + static_cast<std::uint32_t>(step));
  return row;
}

/// By the whole matrix.
void align_small(Symbols reference, Symbols hypothesis, std::vector<Edit>& out) {
  const std::size_t width = hypothesis.size() + 1;
  // How to get to a cell from the one before it.
  std::vector<Edit> last_edits((reference.size() + 1) * width, Edit::kInsertion);
  Numbers above(width), row(width);
  for (std::size_t j = 0; j < width; ++j) above[j] = static_cast<std::uint32_t>(j);
  for (std::size_t i = 1; i <= reference.size(); ++i) {
    row[0] = static_cast<std::uint32_t>(i);
    last_edits[i * width] = Edit::kDeletion;
    for (std::size_t j = 1; j < width; ++j) {
      const bool is_match = reference[i - 1] == hypothesis[j - 1];
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (is_match ? 0 : 1)});
      Edit& edit = last_edits[i * width + j];
      if (row[j] == above[j] + 1) {
        edit = Edit::kDeletion;
      } else if (row[j - 1] < above[j - 1]) {
        edit = Edit::kInsertion;
      } else {
        edit = is_match ? Edit::kMatch : Edit::kSubstitution;
      }
    }
    std::swap(above, row);
  }
  const auto begin = static_cast<std::ptrdiff_t>(out.size());
  for (std::size_t i = reference.size(), j = hypothesis.size(); i > 0 || j > 0;) {
    const Edit edit = last_edits[i * width + j];
    out.push_back(edit);
    if (edit != Edit::kInsertion) --i;
    if (edit != Edit::kDeletion) --j;
  }
  std::reverse(out.begin() + begin, out.end());
}

void align_part(Symbols reference, Symbols hypothesis, std::vector<std::uint64_t>& masks, std::vector<Edit>& out) {
  if (reference.empty() || hypothesis.empty()) {
    out.insert(out.end(), reference.size(), Edit::kDeletion);
    out.insert(out.end(), hypothesis.size(), Edit::kInsertion);
    return;
  }
  if (reference.size() == 1 || reference.size() + 1 <= kMaxCells / (hypothesis.size() + 1)) {
    return align_small(reference, hypothesis, out);
  }
  // Where the best way crosses the middle of the reference.
  const std::size_t middle = reference.size() / 2;
  const Numbers before = last_row(reference.first(middle), hypothesis, masks);
  const Numbers reference_back(reference.rbegin(), reference.rend() - static_cast<std::ptrdiff_t>(middle));
  const Numbers hypothesis_back(hypothesis.rbegin(), hypothesis.rend());
  const Numbers after = last_row(reference_back, hypothesis_back, masks);
  std::size_t split = 0;
  for (std::size_t j = 0; j <= hypothesis.size(); ++j) {
    const auto distance = [&](std::size_t at) { return before[at] + after[hypothesis.size() - at]; };
    if (distance(j) < distance(split)) split = j;
  }
  align_part(reference.first(middle), hypothesis.first(split), masks, out);
  align_part(reference.subspan(middle), hypothesis.subspan(split), masks, out);
}

/// How many symbols are equal at the start.
std::size_t common_size(Symbols a, Symbols b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

EditCounts& EditCounts::operator+=(const EditCounts& other) {
  matches += other.matches;
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  return *this;
}

std::vector<Edit> align(Symbols reference, Symbols hypothesis) {
  const std::size_t prefix = common_size(reference, hypothesis);
  reference = reference.subspan(prefix);
  hypothesis = hypothesis.subspan(prefix);
  std::size_t suffix = 0;
  while (suffix < std::min(reference.size(), hypothesis.size()) &&
         reference[reference.size() - suffix - 1] == hypothesis[hypothesis.size() - suffix - 1]) {
    ++suffix;
  }
  const Numbered numbered =
      number(reference.first(reference.size() - suffix), hypothesis.first(hypothesis.size() - suffix));
  std::vector<std::uint64_t> masks(numbered.num_symbols);
  std::vector<Edit> out(prefix, Edit::kMatch);
  align_part(numbered.reference, numbered.hypothesis, masks, out);
  out.insert(out.end(), suffix, Edit::kMatch);
  return out;
}

EditCounts count_edits(std::span<const Edit> edits) {
  const auto count = [&](Edit edit) { return static_cast<std::size_t>(std::count(edits.begin(), edits.end(), edit)); };
  return {count(Edit::kMatch), count(Edit::kSubstitution), count(Edit::kDeletion), count(Edit::kInsertion)};
}

std::size_t edit_distance(Symbols reference, Symbols hypothesis) {
  const Numbered numbered = number(reference, hypothesis);
  std::vector<std::uint64_t> masks(numbered.num_symbols);
  return last_row(numbered.reference, numbered.hypothesis, masks).back();
}

}  // namespace stenod::quality
