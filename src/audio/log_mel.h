#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "audio/features.h"

namespace stenod::audio {

struct LogMelTables;

/// Whisper's log-mel spectrogram of a stream of 16 kHz samples, frame by frame, as samples arrive.
///
/// Frame k is centred at sample 160 k and sees samples [160 k - 200, 160 k + 200), weighted by a periodic Hann window:
/// power spectrum by a 400-point FFT, Slaney mel filters, log10 with a floor of 1e-10 (Radford et al., arXiv
/// 2212.04356; Slaney, "Auditory Toolbox", 1998). The samples before the first are its mirror image, those after the
/// last are zeros.
///
/// The values do not depend, in any bit, on how the samples were cut into calls. Used by one thread at a time;
/// different objects are independent. Memory is constant: the frames belong to the caller.
class LogMelExtractor {
 public:
  /// `num_mels` is 80 or 128.
  explicit LogMelExtractor(int num_mels);

  /// Appends to `out` the frames that these samples complete: frame k needs the samples up to 160 k + 199 (and frames 0
  /// and 1 the first 201). `out.num_mels` must be the extractor's. Samples beyond [-1, 1] are clipped, NaN counts as 0,
  /// so that values are always finite.
  void append(std::span<const float> samples, LogMel& out);
  /// The same for 16-bit samples, where 32768 is 1.0.
  void append(std::span<const std::int16_t> samples, LogMel& out);

  /// Ends the stream: completes every frame that sees at least one sample, so that all later frames would be silence.
  /// Afterwards the extractor is ready for a new stream.
  void flush(LogMel& out);

 private:
  template <typename Sample>
  void append_samples(std::span<const Sample> samples, LogMel& out);
  void reset();
  void produce(LogMel& out);

  const LogMelTables& tables_;
  std::vector<float> pending_;  ///< samples from the start of the next frame on
  std::int64_t num_samples_ = 0;
  bool mirrored_ = false;  ///< the 200 samples before the first are in place
};

/// Whisper's input for one window: frames [first_frame, first_frame + num_real_frames) of `mel`, then silence up to
/// `num_frames`; each value floored at the window's maximum - 8, then (value + 4) / 4.
///
/// `out` is row-major [num_frames, mel.num_mels]. Preconditions: the real frames lie inside `mel`,
/// 0 <= num_real_frames <= num_frames.
void normalised_window(const LogMel& mel, int first_frame, int num_real_frames, int num_frames, std::span<float> out);

}  // namespace stenod::audio
