#pragma once

#include <string_view>

#include "api/http.h"

namespace stenod::server {

/// The protocol that a WebSocket client offers, and is answered, besides a key.
inline constexpr std::string_view kSubprotocol = "stenod";

/// The key or token that a request came with: "Authorization: Bearer KEY", "X-API-Key: KEY", or for browsers, which
/// can't set fields of a WebSocket, "Sec-WebSocket-Protocol: stenod, key.KEY". Empty where there is none.
std::string_view find_credential(const api::Fields& headers);

/// Whether a comma-separated list, such as the Connection field, holds `token`. Any case of ASCII letters.
bool list_contains(std::string_view list, std::string_view token);

}  // namespace stenod::server
