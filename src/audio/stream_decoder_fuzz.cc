// Any bytes as a live stream, in messages of any size: samples or an error, within bounded memory, and the same ones
// however the bytes are cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "audio/stream_decoder.h"

namespace {

using namespace stenod::audio;

constexpr std::size_t kMaxBytes = 64 * 1024;

void check(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  bool ok = false;
  ChannelSamples samples;
};

Outcome decode(const StreamFormat& format, std::span<const std::byte> bytes, std::size_t size) {
  auto decoder = StreamDecoder::create(format);
  check(decoder.ok());
  Outcome outcome;
  outcome.samples.resize(static_cast<std::size_t>(format.num_channels));
  ChannelSamples block;
  const auto take = [&](const stenod::Status& status) {
    if (!status) check(!status.error().message.empty());
    check(block.size() == outcome.samples.size());
    for (std::size_t c = 0; c < block.size(); ++c) {
      check(block[c].size() == block[0].size());
      outcome.samples[c].insert(outcome.samples[c].end(), block[c].begin(), block[c].end());
    }
    return status.ok();
  };
  while (!bytes.empty()) {
    const auto message = bytes.first(std::min(size, bytes.size()));
    bytes = bytes.subspan(message.size());
    if (!take((*decoder)->push(message, block))) return outcome;
  }
  outcome.ok = take((*decoder)->finish(block));
  const StreamCounters counters = (*decoder)->counters();
  check(counters.num_not_finite >= 0 && counters.num_clipped >= 0 && counters.num_damaged_packets >= 0);
  check((*decoder)->num_input_frames() >= 0);
  return outcome;
}

}  // namespace

/// Four bytes choose the encoding, the rate, the channels and the messages' size; the rest is the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > kMaxBytes) return 0;
  static constexpr int kRates[] = {16000, 8000, 11025, 44100, 47999, 48000};
  StreamFormat format;
  format.encoding = static_cast<StreamEncoding>(data[0] % 6);
  format.sample_rate = kRates[data[1] % std::size(kRates)];
  format.num_channels = 1 + data[2] % (format.encoding == StreamEncoding::kOpus ? 2 : 8);
  const std::size_t message = 1 + data[3];
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(4);
  const Outcome cut = decode(format, bytes, message);
  if (format.encoding == StreamEncoding::kOpus) return 0;  // there a message is a packet
  // FFmpeg looks for the next frame of a damaged MP3 or FLAC stream in what one read has given.
  if (size > 4 && (data[4] == 'I' || data[4] == 'f')) return 0;
  const Outcome whole = decode(format, bytes, bytes.size() + 1);
  // How much is too much for one message does depend on the messages.
  if (cut.ok && whole.ok) check(cut.samples == whole.samples);
  return 0;
}
