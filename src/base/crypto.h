#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"

namespace stenod {

/// HMAC-SHA-256 (RFC 2104).
std::array<std::byte, 32> hmac_sha256(std::string_view key, std::string_view message);

/// Fills `out` with random bytes that nobody can foretell. Error: kInternal, when the system has none.
Status random_bytes(std::span<std::byte> out);

/// Takes as long wherever the texts differ, so that the time tells nothing about a secret. Their sizes are no secret.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace stenod
