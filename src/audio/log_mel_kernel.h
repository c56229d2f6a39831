#pragma once

#include <array>
#include <span>
#include <vector>

#include "audio/features.h"

namespace stenod::audio {

/// Everything that the kernel looks up, computed once in double precision.
struct LogMelTables {
  /// One triangular filter: weights for the consecutive bins from `first_bin` on.
  struct Filter {
    int first_bin;
    std::vector<float> weights;
  };

  explicit LogMelTables(int num_mels);

  std::vector<Filter> filters;
  std::array<float, kFftSamples> window;  ///< half of the Hann window: the FFT's split into real spectra needs no 1/2
  std::array<float, kFftSamples> cosine;  ///< cos(2 pi i / 400)
  std::array<float, kFftSamples> sine;    ///< -sin(2 pi i / 400)
};

/// log10 mel energies of `num_frames` consecutive frames. `samples` starts with the first frame's and holds
/// 160 (num_frames - 1) + 400; `out` is [num_frames, num_mels].
void compute_log_mel(const LogMelTables& tables, const float* samples, int num_frames, float* out);

float max_value(std::span<const float> values, float initial);

/// out = (max(value, floor) + 4) / 4.
void scale_log_mel(std::span<const float> values, float floor, float* out);

}  // namespace stenod::audio
