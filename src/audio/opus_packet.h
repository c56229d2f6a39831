#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace stenod::audio {

inline constexpr int kOpusSampleRate = 48000;
/// 48 frames of at most 1275 bytes, their lengths of two bytes each, and the first two bytes (RFC 6716, 3.2.5).
inline constexpr std::size_t kMaxOpusPacketBytes = 48 * (1275 + 2) + 2;

/// Samples per channel, at 48 kHz, that a packet announces in its first two bytes (RFC 6716, 3.1 and 3.2); absent
/// where that can't be a packet.
std::optional<int> opus_packet_samples(std::span<const std::byte> packet);

}  // namespace stenod::audio
