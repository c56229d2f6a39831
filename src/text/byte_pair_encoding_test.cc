#include "text/byte_pair_encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <string>
#include <utility>

namespace stenod::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Merge = BytePairEncoding::Merge;

std::vector<int> encode(const BytePairEncoding& encoding, std::string_view bytes) {
  std::vector<int> tokens;
  encoding.encode(bytes, tokens);
  return tokens;
}

BytePairEncoding by_id(const std::vector<std::string_view>& tokens) { return {tokens, merges_by_id(tokens)}; }

TEST(BytePairEncoding, MergesTheLowestRankFirst) {
  const std::vector<std::string_view> tokens = {"a", "b", "c", "bc", "ab"};
  EXPECT_THAT(encode(by_id(tokens), "abc"), ElementsAre(0, 3));
  const BytePairEncoding other(tokens, {{1, 2, 3, 7}, {0, 1, 4, 5}});
  EXPECT_THAT(encode(other, "abc"), ElementsAre(4, 2)) << "ranks need not be in the order of ids";
}

TEST(BytePairEncoding, MergesTheLeftmostOfEquals) {
  EXPECT_THAT(encode(by_id({"a", "aa"}), "aaaaa"), ElementsAre(1, 1, 0));
  EXPECT_THAT(encode(by_id({"a", "aa", "aaaa"}), "aaaaaaa"), ElementsAre(2, 1, 0));
}

TEST(BytePairEncoding, AppendsToWhatIsThere) {
  std::vector<int> tokens = {9};
  by_id({"a"}).encode("aa", tokens);
  EXPECT_THAT(tokens, ElementsAre(9, 0, 0));
}

TEST(BytePairEncoding, LeavesOutBytesThatAreNoToken) {
  EXPECT_THAT(encode(by_id({"a", "b", "ab"}), "xaxxbx"), ElementsAre(2));
  EXPECT_THAT(encode(by_id({"a"}), "xyz"), IsEmpty());
  EXPECT_THAT(encode(by_id({"a"}), ""), IsEmpty());
  EXPECT_THAT(encode(BytePairEncoding(std::vector<std::string_view>{"a"}, {}), "aa"), ElementsAre(0, 0));
}

TEST(BytePairEncoding, OnlyTheMergesThatAreGivenCount) {
  const std::vector<std::string_view> tokens = {"a", "b", "c", "ab", "bc", "abc"};
  EXPECT_THAT(encode(BytePairEncoding(tokens, {{0, 1, 3, 0}, {0, 4, 5, 1}}), "abc"), ElementsAre(3, 2));
  EXPECT_THAT(encode(by_id(tokens), "abc"), ElementsAre(5));
}

TEST(BytePairEncoding, OfMergesOfOnePairTheLastCounts) {
  const std::vector<std::string_view> tokens = {"a", "b", "c", "ab", "bc"};
  EXPECT_THAT(encode(BytePairEncoding(tokens, {{0, 1, 3, 0}, {1, 2, 4, 1}, {0, 1, 3, 2}}), "abc"), ElementsAre(0, 4));
}

TEST(BytePairEncoding, MergesByIdAreEveryWayToMakeAToken) {
  const std::vector<std::string_view> tokens = {"a", "b", "ab", "ba", "aba", ""};
  std::vector<std::pair<int, int>> of_aba;
  for (const Merge& merge : merges_by_id(tokens)) {
    EXPECT_EQ(merge.rank, merge.token);
    if (merge.token == 4) of_aba.emplace_back(merge.left, merge.right);
  }
  EXPECT_THAT(of_aba, ::testing::UnorderedElementsAre(std::pair(0, 3), std::pair(2, 0)));
}

TEST(BytePairEncoding, MergesByIdFormNoTokenOfExcessiveLength) {
  const std::string half(128, 'a');
  const std::string whole(256, 'a');
  const std::string longer(257, 'a');
  EXPECT_EQ(merges_by_id(std::vector<std::string_view>{half, whole}).size(), 1u);
  EXPECT_EQ(merges_by_id(std::vector<std::string_view>{half, whole, "a", longer}).size(), 1u);
}

/// The definition, step by step.
std::vector<int> encode_plainly(const std::vector<std::string_view>& tokens, const std::vector<Merge>& merges,
                                std::string_view bytes) {
  std::vector<int> symbols;
  for (const char byte : bytes) {
    const auto found = std::find(tokens.begin(), tokens.end(), std::string_view(&byte, 1));
    if (found != tokens.end()) symbols.push_back(static_cast<int>(found - tokens.begin()));
  }
  while (true) {
    Merge best{0, 0, -1, std::numeric_limits<int>::max()};
    std::size_t best_position = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (const Merge& merge : merges) {
        if (merge.left == symbols[i] && merge.right == symbols[i + 1] && merge.rank < best.rank) {
          best = merge;
          best_position = i;
        }
      }
    }
    if (best.token < 0) return symbols;
    symbols[best_position] = best.token;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_position) + 1);
  }
}

TEST(BytePairEncoding, AgreesWithPlainMerging) {
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> texts = {"a", "b", "c"};
    std::vector<Merge> merges;
    for (int i = 0; i < 12; ++i) {
      const std::size_t left = below(texts.size());
      const std::size_t right = below(texts.size());
      const std::string text = texts[left] + texts[right];
      if (std::find(texts.begin(), texts.end(), text) != texts.end()) continue;
      merges.push_back({static_cast<int>(left), static_cast<int>(right), static_cast<int>(texts.size()), 0});
      texts.push_back(text);
    }
    std::vector<int> ranks(merges.size());
    for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i] = static_cast<int>(i);
    if (round % 2 == 1) std::shuffle(ranks.begin(), ranks.end(), random);
    for (std::size_t i = 0; i < ranks.size(); ++i) merges[i].rank = ranks[i];

    const std::vector<std::string_view> tokens(texts.begin(), texts.end());
    const BytePairEncoding given(tokens, merges);
    const BytePairEncoding all = by_id(tokens);
    for (int i = 0; i < 20; ++i) {
      std::string text(below(40), ' ');
      for (char& c : text) c = static_cast<char>('a' + below(3));
      ASSERT_EQ(encode(given, text), encode_plainly(tokens, merges, text)) << text;
      ASSERT_EQ(encode(all, text), encode_plainly(tokens, merges_by_id(tokens), text)) << text;
    }
  }
}

TEST(BytePairEncoding, AMegabyteOfOneLetterTakesNoExcessiveTime) {
  const auto started = std::chrono::steady_clock::now();
  const std::vector<int> tokens = encode(by_id({"a", "aa", "aaaa", "aaaaaaaa"}), std::string(1 << 20, 'a'));
  EXPECT_EQ(tokens, std::vector<int>(1 << 17, 3));
  // Seconds in the slowest build; time that grows with the square of the length would be hours.
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(60));
}

}  // namespace
}  // namespace stenod::text
