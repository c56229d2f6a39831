#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace stenod::text {

/// Byte-level byte-pair encoding: bytes become tokens, then of all neighbours the pair with the lowest rank is merged
/// into one token, the leftmost where several are equal, until no pair is left that has a rank.
///
/// Immutable once made; any thread may use it. Source: Sennrich et al., https://arxiv.org/abs/1508.07909, on bytes as
/// in GPT-2.
class BytePairEncoding {
 public:
  struct Merge {
    int left;
    int right;
    int token;  ///< what the two become
    int rank;
  };

  BytePairEncoding() = default;

  /// `tokens`: the bytes of token i; those of one byte are what merging starts from. `merges`: tokens in it are indices
  /// of `tokens`, and the bytes of each `token` are those of `left` and `right`; of merges of one pair the last counts.
  BytePairEncoding(std::span<const std::string_view> tokens, std::vector<Merge> merges);

  /// Appends the tokens of `bytes`. A byte that is no token is left out; Whisper's vocabularies have all 256.
  /// Takes O(n log n) time and O(n) memory.
  void encode(std::string_view bytes, std::vector<int>& tokens) const;

 private:
  const Merge* find(int left, int right) const;

  std::array<int, 256> byte_tokens_{};  ///< -1 where there is none
  std::vector<Merge> merges_;           ///< by (left, right)
};

/// Every way to put a token together from two others, ranked by its id: the merges of a vocabulary of which only the
/// tokens are known, as tiktoken has them. With Whisper's vocabularies that gives the same as the list of merges which
/// they were made with: there, each token's own bytes are encoded as that token, so two tokens that make a third in
/// another way than the list's are never neighbours. Tokens of more than 256 bytes, twice what the longest of Whisper's
/// has, are not formed.
std::vector<BytePairEncoding::Merge> merges_by_id(std::span<const std::string_view> tokens);

}  // namespace stenod::text
