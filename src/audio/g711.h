#pragma once

#include <array>
#include <cstdint>

namespace stenod::audio {

/// ITU-T G.711: each code's amplitude, scaled from 14 (mu-law) and 13 bits (A-law) to 16.
inline constexpr auto kMuLawTable = [] {
  std::array<std::int16_t, 256> table = {};
  for (int code = 0; code < 256; ++code) {
    const int bits = ~code;  // all bits travel inverted
    const int magnitude = ((((bits & 0x0f) << 3) + 0x84) << ((bits & 0x70) >> 4)) - 0x84;
    table[code] = static_cast<std::int16_t>((bits & 0x80) != 0 ? -magnitude : magnitude);
  }
  return table;
}();

inline constexpr auto kALawTable = [] {
  std::array<std::int16_t, 256> table = {};
  for (int code = 0; code < 256; ++code) {
    const int bits = code ^ 0x55;  // even bits travel inverted
    const int exponent = (bits & 0x70) >> 4;
    const int mantissa = ((bits & 0x0f) << 4) + 8;
    const int magnitude = exponent == 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
    table[code] = static_cast<std::int16_t>((bits & 0x80) != 0 ? magnitude : -magnitude);
  }
  return table;
}();

}  // namespace stenod::audio
