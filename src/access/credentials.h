#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::access {

// The texts that clients show. All characters may stand in an HTTP header, a URL and a WebSocket subprotocol.
//
//   key    sk_ID_SECRET                             ID: 8, SECRET: 32 characters of base 32, random
//   token  st_KEYID_TOKENID_EXPIRES_STREAMS_MAC     EXPIRES: Unix time; MAC: HMAC-SHA-256 of all before the last "_"

using TimePoint = std::chrono::sys_seconds;

/// `num_bytes` random bytes in base 32 (RFC 4648, lower case, without padding).
Result<std::string> random_text(std::size_t num_bytes);

/// A new key's text; key_id_of() has its id.
Result<std::string> make_key();

/// The id in a text that has a key's form.
std::optional<std::string_view> key_id_of(std::string_view text);

struct TokenClaims {
  std::string key_id;    ///< 8 characters of base 32
  std::string token_id;  ///< 8 characters of base 32
  TimePoint expires_at = {};
  int streams = 0;  ///< open at once; 0: as many as the key may

  friend bool operator==(const TokenClaims&, const TokenClaims&) = default;
};

std::string sign_token(const TokenClaims& claims, std::string_view secret);

/// `text`, "_" and its MAC.
std::string sign_text(std::string text, std::string_view secret);

/// The claims of a token that was signed with `secret`, expired or not. The signature is checked before anything is
/// read.
std::optional<TokenClaims> verify_token(std::string_view text, std::string_view secret);

}  // namespace stenod::access
