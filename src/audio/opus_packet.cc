#include "audio/opus_packet.h"

#include <array>

namespace stenod::audio {
namespace {

constexpr int kMaxPacketSamples = kOpusSampleRate * 120 / 1000;

int frame_samples(int config) {
  constexpr std::array<int, 4> kSilk = {480, 960, 1920, 2880};
  constexpr std::array<int, 4> kCelt = {120, 240, 480, 960};
  if (config < 12) return kSilk[config % 4];
  if (config < 16) return kSilk[config % 2];  // hybrid
  return kCelt[config % 4];
}

}  // namespace

std::optional<int> opus_packet_samples(std::span<const std::byte> packet) {
  if (packet.empty()) return std::nullopt;
  const int first = std::to_integer<int>(packet[0]);
  int num_frames = 1;
  switch (first & 3) {
    case 0:
      break;
    case 3:
      if (packet.size() < 2) return std::nullopt;
      num_frames = std::to_integer<int>(packet[1]) & 0x3f;
      break;
    default:
      num_frames = 2;
  }
  const int num_samples = num_frames * frame_samples(first >> 3);
  if (num_samples == 0 || num_samples > kMaxPacketSamples) return std::nullopt;
  return num_samples;
}

}  // namespace stenod::audio
