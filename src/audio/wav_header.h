#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "audio/stream_decoder.h"

namespace stenod::audio {

/// Longer headers have pictures and the like.
inline constexpr std::size_t kMaxWavHeaderBytes = 4096;

/// Of a WAV stream whose samples StreamDecoder itself can read.
struct WavHeader {
  StreamFormat format;                     ///< PCM of 16 bits, floats, or G.711
  std::size_t num_header_bytes = 0;        ///< the samples follow them
  std::optional<std::uint64_t> num_bytes;  ///< of samples; absent where whoever wrote the header could not know
};

struct WavHeaderIncomplete {};
struct WavHeaderOther {};  ///< damaged, unusual or very long: for FFmpeg to judge

/// Reads the header of a WAV stream (Microsoft, "Multiple Channel Audio Data and WAVE Files") as far as it has come.
/// Incomplete only for less than kMaxWavHeaderBytes.
std::variant<WavHeader, WavHeaderIncomplete, WavHeaderOther> read_wav_header(std::span<const std::byte> bytes);

/// Programs that write a WAV file to a pipe can't know its size: they put 0 or the largest one that some reader takes.
bool is_wav_size_placeholder(std::uint64_t num_bytes);

}  // namespace stenod::audio
