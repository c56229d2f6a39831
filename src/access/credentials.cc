#include "access/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/crypto.h"

namespace stenod::access {
namespace {

constexpr std::string_view kKeyPrefix = "sk_";
constexpr std::string_view kTokenPrefix = "st_";
constexpr std::size_t kIdBytes = 5;
constexpr std::size_t kIdSize = 8;
constexpr std::size_t kSecretBytes = 20;
constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kMaxTokenSize = 256;
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

std::string base32(std::span<const std::byte> bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int num_bits = 0;
  for (const std::byte byte : bytes) {
    bits = bits << 8 | std::to_integer<std::uint32_t>(byte);
    for (num_bits += 8; num_bits >= 5; num_bits -= 5) text += kAlphabet[bits >> (num_bits - 5) & 31];
  }
  if (num_bits > 0) text += kAlphabet[bits << (5 - num_bits) & 31];
  return text;
}

bool is_base32(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

/// The field up to the next "_", which is taken from `text` with it.
std::string_view take_field(std::string_view& text) {
  const auto end = std::min(text.find('_'), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

template <typename T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0;
}

}  // namespace

Result<std::string> random_text(std::size_t num_bytes) {
  std::vector<std::byte> bytes(num_bytes);
  STENOD_RETURN_IF_ERROR(random_bytes(bytes));
  return base32(bytes);
}

Result<std::string> make_key() {
  STENOD_ASSIGN_OR_RETURN(const std::string id, random_text(kIdBytes));
  STENOD_ASSIGN_OR_RETURN(const std::string secret, random_text(kSecretBytes));
  return fmt::format("{}{}_{}", kKeyPrefix, id, secret);
}

std::optional<std::string_view> key_id_of(std::string_view text) {
  if (!text.starts_with(kKeyPrefix)) return std::nullopt;
  text.remove_prefix(kKeyPrefix.size());
  const std::string_view id = take_field(text);
  if (!is_base32(id, kIdSize) || !is_base32(text, kSecretSize)) return std::nullopt;
  return id;
}

std::string sign_token(const TokenClaims& claims, std::string_view secret) {
  return sign_text(fmt::format("{}{}_{}_{}_{}", kTokenPrefix, claims.key_id, claims.token_id,
                               claims.expires_at.time_since_epoch().count(), claims.streams),
                   secret);
}

std::string sign_text(std::string text, std::string_view secret) {
  const auto mac = hmac_sha256(secret, text);
  return std::move(text) + '_' + base32(mac);
}

std::optional<TokenClaims> verify_token(std::string_view text, std::string_view secret) {
  const auto mac_at = text.rfind('_');
  if (text.size() > kMaxTokenSize || !text.starts_with(kTokenPrefix) || mac_at == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view fields = text.substr(0, mac_at);
  const auto mac = hmac_sha256(secret, fields);
  if (!constant_time_equal(text.substr(mac_at + 1), base32(mac))) return std::nullopt;
  fields.remove_prefix(std::min(kTokenPrefix.size(), fields.size()));
  TokenClaims claims;
  claims.key_id = take_field(fields);
  claims.token_id = take_field(fields);
  TimePoint::rep expires = 0;
  const bool is_read = read_number(take_field(fields), expires) && read_number(take_field(fields), claims.streams);
  // What we sign has this form; another version's tokens need not.
  if (!is_read || !fields.empty() || !is_base32(claims.key_id, kIdSize) || !is_base32(claims.token_id, kIdSize)) {
    return std::nullopt;
  }
  claims.expires_at = TimePoint(std::chrono::seconds(expires));
  return claims;
}

}  // namespace stenod::access
