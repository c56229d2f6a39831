#include "quality/edit_alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <utility>

namespace stenod::quality {
namespace {

using ::testing::ElementsAre;
using Numbers = std::vector<std::uint32_t>;

constexpr Edit M = Edit::kMatch, S = Edit::kSubstitution, D = Edit::kDeletion, I = Edit::kInsertion;

Numbers numbers(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<Edit> align_texts(std::string_view reference, std::string_view hypothesis) {
  return align(numbers(reference), numbers(hypothesis));
}

/// Row by row, as textbooks have it.
std::size_t plain_distance(const Numbers& a, const Numbers& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = std::exchange(row[j], best);
    }
  }
  return row.back();
}

/// The edits lead from one to the other, and are as few as can be.
void expect_best(const Numbers& reference, const Numbers& hypothesis) {
  const std::vector<Edit> edits = align(reference, hypothesis);
  std::size_t i = 0, j = 0;
  for (const Edit edit : edits) {
    if (edit == M || edit == S) {
      ASSERT_LT(i, reference.size());
      ASSERT_LT(j, hypothesis.size());
      ASSERT_EQ(reference[i] == hypothesis[j], edit == M);
    }
    if (edit != I) ++i;
    if (edit != D) ++j;
  }
  ASSERT_EQ(i, reference.size());
  ASSERT_EQ(j, hypothesis.size());
  const std::size_t expected = plain_distance(reference, hypothesis);
  ASSERT_EQ(count_edits(edits).errors(), expected);
  ASSERT_EQ(edit_distance(reference, hypothesis), expected);
}

Numbers random_numbers(std::mt19937& random, std::size_t size, std::uint32_t num_symbols) {
  Numbers out(size);
  for (std::uint32_t& number : out) number = random() % num_symbols * 1000003;  // not dense
  return out;
}

/// Every tenth or so is lost, another or doubled.
Numbers with_errors(std::mt19937& random, const Numbers& from) {
  Numbers out;
  for (const std::uint32_t number : from) {
    const auto what = random() % 30;
    if (what != 0) out.push_back(what == 1 ? number + 1 : number);
    if (what == 2) out.push_back(number);
  }
  return out;
}

TEST(EditAlignment, FindsEachKindOfError) {
  EXPECT_THAT(align_texts("abc", "abc"), ElementsAre(M, M, M));
  EXPECT_THAT(align_texts("abc", "axc"), ElementsAre(M, S, M));
  EXPECT_THAT(align_texts("abc", "ac"), ElementsAre(M, D, M));
  EXPECT_THAT(align_texts("ac", "abc"), ElementsAre(M, I, M));
  EXPECT_THAT(align_texts("", "ab"), ElementsAre(I, I));
  EXPECT_THAT(align_texts("ab", ""), ElementsAre(D, D));
  EXPECT_THAT(align_texts("", ""), ElementsAre());
}

TEST(EditAlignment, CountsAmongEqualAlignmentsAsRapidFuzzDoes) {
  // Those of jiwer 4.0.0 with RapidFuzz 3.14.
  EXPECT_EQ(count_edits(align_texts("abcd", "bcde")), (EditCounts{3, 0, 1, 1}));
  EXPECT_EQ(count_edits(align_texts("ab", "ba")), (EditCounts{1, 0, 1, 1}));
  EXPECT_EQ(count_edits(align_texts("abc", "cab")), (EditCounts{2, 0, 1, 1}));
  EXPECT_EQ(count_edits(align_texts("abcdef", "badcfe")), (EditCounts{3, 2, 1, 1}));
}

TEST(EditAlignment, CountsAddUp) {
  EditCounts counts{5, 1, 2, 3};
  EXPECT_EQ(counts.errors(), 6u);
  EXPECT_EQ(counts.reference_size(), 8u);
  counts += {1, 1, 1, 1};
  EXPECT_EQ(counts, (EditCounts{6, 2, 3, 4}));
}

TEST(EditAlignment, IsBestForAnySizes) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto num_symbols = static_cast<std::uint32_t>(1 + random() % 6);
    expect_best(random_numbers(random, random() % 20, num_symbols), random_numbers(random, random() % 20, num_symbols));
  }
  // Around the 64 rows that are computed at once.
  for (const std::size_t size : {63, 64, 65, 127, 128, 129, 200}) {
    for (const std::uint32_t num_symbols : {2u, 5u, 50u}) {
      const Numbers reference = random_numbers(random, size, num_symbols);
      expect_best(reference, with_errors(random, reference));
      expect_best(reference, random_numbers(random, size / 2, num_symbols));
      expect_best(random_numbers(random, size / 3, num_symbols), reference);
    }
  }
}

TEST(EditAlignment, IsBestForTextsThatAreAlignedInParts) {
  std::mt19937 random(2);
  const Numbers reference = random_numbers(random, 5000, 500);
  expect_best(reference, with_errors(random, reference));
  expect_best(reference, random_numbers(random, 3500, 500));
  expect_best(random_numbers(random, 3, 3), random_numbers(random, 10000, 3));
}

}  // namespace
}  // namespace stenod::quality
