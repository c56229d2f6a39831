#pragma once

#include <vector>

namespace stenod::audio {

inline constexpr int kSampleRate = 16000;
inline constexpr int kHopSamples = 160;        ///< one log-mel frame every 10 ms
inline constexpr int kFftSamples = 400;        ///< analysis window of 25 ms
inline constexpr int kMaxWindowFrames = 3000;  ///< Whisper's window of 30 s

/// log10 mel energies before Whisper's normalisation, row-major [num_frames, num_mels], each at least -10 (the
/// logarithm's floor of 1e-10, which is also the value of digital silence).
struct LogMel {
  int num_mels = 80;
  int num_frames = 0;
  std::vector<float> values;
};

}  // namespace stenod::audio
