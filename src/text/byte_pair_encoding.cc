#include "text/byte_pair_encoding.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <queue>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace stenod::text {
namespace {

using Merge = BytePairEncoding::Merge;

constexpr std::size_t kMaxFormedBytes = 256;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

auto pair_of(const Merge& merge) { return std::pair(merge.left, merge.right); }

/// One of the tokens that the bytes are at the moment; they form a list.
struct Symbol {
  int token;  ///< -1 once it is part of the one before it
  std::size_t previous;
  std::size_t next;
};

/// A merge of the symbol at `position` and the one after it. It is out of date when these are no longer its pair.
struct Candidate {
  const Merge* merge;
  std::size_t position;

  bool operator>(const Candidate& other) const {
    return std::tie(merge->rank, position) > std::tie(other.merge->rank, other.position);
  }
};

}  // namespace

BytePairEncoding::BytePairEncoding(std::span<const std::string_view> tokens, std::vector<Merge> merges)
    : merges_(std::move(merges)) {
  byte_tokens_.fill(-1);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() == 1) byte_tokens_[static_cast<unsigned char>(tokens[id][0])] = static_cast<int>(id);
  }
  std::stable_sort(merges_.begin(), merges_.end(),
                   [](const Merge& a, const Merge& b) { return pair_of(a) < pair_of(b); });
}

const Merge* BytePairEncoding::find(int left, int right) const {
  const auto after = std::upper_bound(merges_.begin(), merges_.end(), std::pair(left, right),
                                      [](const auto& pair, const Merge& merge) { return pair < pair_of(merge); });
  if (after == merges_.begin()) return nullptr;
  const Merge& merge = *std::prev(after);
  return pair_of(merge) == std::pair(left, right) ? &merge : nullptr;
}

void BytePairEncoding::encode(std::string_view bytes, std::vector<int>& tokens) const {
  std::vector<Symbol> symbols;
  symbols.reserve(bytes.size());
  for (const char byte : bytes) {
    const int token = byte_tokens_[static_cast<unsigned char>(byte)];
    if (token >= 0) symbols.push_back({token, symbols.size() - 1, symbols.size() + 1});
  }
  if (symbols.empty()) return;
  symbols.front().previous = kNone;
  symbols.back().next = kNone;

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](std::size_t position) {
    if (position == kNone || symbols[position].next == kNone) return;
    const Merge* merge = find(symbols[position].token, symbols[symbols[position].next].token);
    if (merge != nullptr) candidates.push({merge, position});
  };
  for (std::size_t position = 0; position < symbols.size(); ++position) consider(position);

  while (!candidates.empty()) {
    const auto [merge, position] = candidates.top();
    candidates.pop();
    Symbol& left = symbols[position];
    if (left.token != merge->left || left.next == kNone || symbols[left.next].token != merge->right) continue;
    Symbol& right = symbols[left.next];
    left.token = merge->token;
    left.next = right.next;
    right.token = -1;
    if (left.next != kNone) symbols[left.next].previous = position;
    consider(left.previous);
    consider(position);
  }
  for (std::size_t position = 0; position != kNone; position = symbols[position].next) {
    tokens.push_back(symbols[position].token);
  }
}

std::vector<Merge> merges_by_id(std::span<const std::string_view> tokens) {
  std::unordered_map<std::string_view, int> ids;
  ids.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id], static_cast<int>(id));

  std::vector<Merge> merges;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens[id];
    if (token.size() > kMaxFormedBytes) continue;
    for (std::size_t size = 1; size < token.size(); ++size) {
      const auto right = ids.find(token.substr(size));  // first, as the end of a word is more seldom a token
      if (right == ids.end()) continue;
      const auto left = ids.find(token.substr(0, size));
      if (left == ids.end()) continue;
      merges.push_back({left->second, right->second, static_cast<int>(id), static_cast<int>(id)});
    }
  }
  return merges;
}

}  // namespace stenod::text
