#include "live/settings.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

namespace stenod::live {
namespace {

template <typename T>
Status in_range(const char* name, T value, T min, T max) {
  if (value >= min && value <= max) return {};  // false for NaN
  return Error{ErrorCode::kInvalidArgument, fmt::format("{} is {}, expected {} to {}", name, value, min, max), name};
}

}  // namespace

Status check_settings(const SessionSettings& settings, const SessionLimits& limits) {
  if (settings.partial_interval_ms != 0) {
    STENOD_RETURN_IF_ERROR(in_range("partial_interval_ms", settings.partial_interval_ms, limits.min_partial_interval_ms,
                                    limits.max_partial_interval_ms));
  }
  STENOD_RETURN_IF_ERROR(
      in_range("vad_threshold", settings.vad_threshold, limits.min_vad_threshold, limits.max_vad_threshold));
  STENOD_RETURN_IF_ERROR(in_range("silence_ms", settings.silence_ms, limits.min_silence_ms, limits.max_silence_ms));
  STENOD_RETURN_IF_ERROR(
      in_range("min_speech_ms", settings.min_speech_ms, limits.min_min_speech_ms, limits.max_min_speech_ms));
  STENOD_RETURN_IF_ERROR(in_range("chunk_s", settings.chunk_s, limits.min_chunk_s, limits.max_chunk_s));
  STENOD_RETURN_IF_ERROR(in_range("beam_size", settings.beam_size, 1, limits.max_beam_size));
  for (const auto& [name, text] : {std::pair("prompt", &settings.prompt), std::pair("hotwords", &settings.hotwords)}) {
    if (text->size() <= static_cast<std::size_t>(limits.max_prompt_bytes)) continue;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} has {} bytes, expected at most {}", name, text->size(), limits.max_prompt_bytes),
                 name};
  }
  return in_range("overlap_s", settings.overlap_s, 0.0, settings.chunk_s / 2);
}

}  // namespace stenod::live
