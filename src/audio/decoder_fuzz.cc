// Any bytes as a file: must decode or give an error, within bounded time and memory.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "audio/decoder.h"

namespace {

constexpr std::size_t kMaxBytes = 256 * 1024;
constexpr std::size_t kMaxSamples = 60 * stenod::audio::kSampleRate;  // a few bytes may decode to hours

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

/// The first byte chooses the channel mode and the file's extension, the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::audio;
  if (size < 1 || size > kMaxBytes) return 0;
  static const char* const kNames[] = {"x", "x.mp3", "x.g722", "x.gsm", "x.aac", "x.ulaw", "x.m3u8", "x.amr"};
  const ChannelMode mode = (data[0] & 1) != 0 ? ChannelMode::kSplit : ChannelMode::kMix;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  auto decoder = Decoder::open_memory(bytes, kNames[(data[0] >> 1) & 7], {mode, {}});
  if (!decoder) {
    check(!decoder.error().message.empty());
    return 0;
  }
  check((*decoder)->estimated_duration_s().value_or(0) >= 0);
  const int num_channels = (*decoder)->num_channels();
  check(num_channels >= 1 && num_channels <= Decoder::kMaxChannels);
  ChannelSamples block;
  std::size_t total = 0;
  while (total < kMaxSamples) {
    const auto n = (*decoder)->read(block);
    if (!n || *n == 0) break;
    check(block.size() == static_cast<std::size_t>(num_channels));
    for (const auto& channel : block) check(channel.size() == *n);
    total += *n;
  }
  check((*decoder)->missing_s() >= 0);
  return 0;
}
