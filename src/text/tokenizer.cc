#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "text/pretokenizer.h"
#include "text/utf8.h"

namespace stenod::text {

std::optional<int> Tokenizer::language_token(std::string_view code) const {
  const auto found = std::find(language_codes_.begin(), language_codes_.end(), code);
  if (found == language_codes_.end()) return std::nullopt;
  return special_.sot + 1 + static_cast<int>(found - language_codes_.begin());
}

double Tokenizer::timestamp_seconds(int token) const {
  return (token - special_.timestamp_begin) * kSecondsPerTimestamp;
}

std::vector<int> Tokenizer::encode(std::string_view text) const {
  const std::string valid = to_valid_utf8(text);
  std::vector<int> tokens;
  for (std::string_view rest = valid; !rest.empty();) encoding_.encode(take_pretoken(rest), tokens);
  return tokens;
}

std::string_view Tokenizer::token_bytes(int token) const {
  if (!is_text(token)) return {};
  const auto index = static_cast<std::size_t>(token);
  return std::string_view(bytes_).substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
}

std::string Tokenizer::decode(std::span<const int> tokens) const {
  std::string bytes;
  for (const int token : tokens) bytes += token_bytes(token);
  return to_valid_utf8(bytes);
}

std::string Tokenizer::decode_with_timestamps(std::span<const int> tokens) const {
  std::string text;
  std::string bytes;
  for (const int token : tokens) {
    bytes += token_bytes(token);
    if (!is_timestamp(token)) continue;
    text += to_valid_utf8(std::exchange(bytes, {}));
    text += fmt::format("<|{:.2f}|>", timestamp_seconds(token));
  }
  return text + to_valid_utf8(bytes);
}

}  // namespace stenod::text
