#include "audio/wav_header.h"

#include <string_view>

namespace stenod::audio {
namespace {

constexpr std::size_t kRiffBytes = 12;
constexpr std::size_t kChunkBytes = 8;
constexpr std::size_t kMinFormatBytes = 16;
constexpr std::size_t kSubFormatOffset = 24;
constexpr std::uint32_t kExtensible = 0xFFFE;

std::uint32_t little_endian(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::to_integer<std::uint32_t>(bytes[offset + i]) << (8 * i);
  return value;
}

bool is(std::span<const std::byte> bytes, std::string_view id) {
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (bytes[i] != static_cast<std::byte>(id[i])) return false;
  }
  return true;
}

std::optional<StreamFormat> read_format(std::span<const std::byte> chunk) {
  if (chunk.size() < kMinFormatBytes) return std::nullopt;
  std::uint32_t tag = little_endian(chunk, 0, 2);
  if (tag == kExtensible && chunk.size() >= kSubFormatOffset + 2) tag = little_endian(chunk, kSubFormatOffset, 2);
  const std::uint32_t bits = little_endian(chunk, 14, 2);
  const std::uint32_t num_channels = little_endian(chunk, 2, 2);
  const std::uint32_t sample_rate = little_endian(chunk, 4, 4);
  StreamFormat format;
  if (tag == 1 && bits == 16) {
    format.encoding = StreamEncoding::kInt16;
  } else if (tag == 3 && bits == 32) {
    format.encoding = StreamEncoding::kFloat32;
  } else if (tag == 6 && bits == 8) {
    format.encoding = StreamEncoding::kALaw;
  } else if (tag == 7 && bits == 8) {
    format.encoding = StreamEncoding::kMuLaw;
  } else {
    return std::nullopt;
  }
  if (num_channels < 1 || num_channels > StreamFormat::kMaxChannels) return std::nullopt;
  if (sample_rate < StreamFormat::kMinSampleRate || sample_rate > StreamFormat::kMaxSampleRate) return std::nullopt;
  format.num_channels = static_cast<int>(num_channels);
  format.sample_rate = static_cast<int>(sample_rate);
  return format;
}

}  // namespace

bool is_wav_size_placeholder(std::uint64_t num_bytes) {
  constexpr std::uint64_t kNear = 1 << 16;
  const auto near = [&](std::uint64_t size) { return num_bytes >= size - kNear && num_bytes <= size + kNear; };
  return num_bytes == 0 || near(1ULL << 31) || near(1ULL << 32) || num_bytes > 1ULL << 62;
}

std::variant<WavHeader, WavHeaderIncomplete, WavHeaderOther> read_wav_header(std::span<const std::byte> bytes) {
  WavHeader header;
  bool has_format = false;
  const auto has = [&](std::size_t num_bytes) { return num_bytes <= bytes.size(); };
  if (!has(kRiffBytes)) return WavHeaderIncomplete{};
  if (!is(bytes, "RIFF") || !is(bytes.subspan(8), "WAVE")) return WavHeaderOther{};
  std::size_t at = kRiffBytes;
  while (at + kChunkBytes <= kMaxWavHeaderBytes) {
    if (!has(at + kChunkBytes)) return WavHeaderIncomplete{};
    const auto chunk = bytes.subspan(at);
    const std::uint32_t size = little_endian(chunk, 4, 4);
    at += kChunkBytes;
    if (is(chunk, "data")) {
      if (!has_format) return WavHeaderOther{};
      header.num_header_bytes = at;
      if (!is_wav_size_placeholder(size)) header.num_bytes = size;
      return header;
    }
    if (size > kMaxWavHeaderBytes - at) return WavHeaderOther{};
    if (is(chunk, "fmt ")) {
      if (!has(at + size)) return WavHeaderIncomplete{};
      const auto format = read_format(bytes.subspan(at, size));
      if (!format) return WavHeaderOther{};
      header.format = *format;
      has_format = true;
    }
    at += size + size % 2;
  }
  return WavHeaderOther{};
}

}  // namespace stenod::audio
