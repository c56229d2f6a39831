#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

namespace stenod::vad {

/// What Silero VAD remembers of one stream between two chunks. Start, and start anew, with a fresh one.
struct VadState {
  std::array<float, 128> h = {};       ///< LSTM output
  std::array<float, 128> c = {};       ///< LSTM cell
  std::array<float, 64> context = {};  ///< the last samples of the chunk before
};

/// The voice activity detector Silero VAD (v5 and v6, https://github.com/snakers4/silero-vad) for audio of 16 kHz: the
/// probability of speech for each chunk of 512 samples (32 ms).
///
/// Immutable after load(): any number of threads may use one object, each with its own Scratch. A stream's results are
/// the same bits whether its chunks go through step(), in whatever company, or run(). Samples are in ±1; NaN counts
/// as 0 and anything beyond ±64 as that, so that no input can spoil a state.
class SileroVad {
 public:
  static constexpr std::size_t kSampleRate = 16000;
  static constexpr std::size_t kChunkSamples = 512;

  /// Memory for intermediate values, about 260 KiB. Reused from call to call; one thread at a time.
  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(Scratch&&) noexcept;
    Scratch& operator=(Scratch&&) noexcept;

   private:
    friend class SileroVad;
    struct Buffers;
    std::unique_ptr<Buffers> buffers_;
  };

  /// Reads the weights from an ONNX file, `silero_vad_16k_op15.onnx` of the project's releases. Errors: those of
  /// read_file() and of OnnxInitializers, naming the file.
  static Result<SileroVad> load(const std::filesystem::path& path);

  SileroVad(SileroVad&&) noexcept;
  SileroVad& operator=(SileroVad&&) noexcept;
  ~SileroVad();

  /// The next chunk of each of B different streams at once. `samples`: [B][512]; `probabilities`: [B], in [0, 1].
  /// Doesn't allocate.
  void step(std::span<VadState* const> states, std::span<const float> samples, std::span<float> probabilities,
            Scratch& scratch) const;

  /// N consecutive chunks of one stream: `samples`: [N][512]; `probabilities`: [N]. All but the LSTM's recurrence is
  /// computed for many chunks at once. Doesn't allocate.
  void run(VadState& state, std::span<const float> samples, std::span<float> probabilities, Scratch& scratch) const;

  /// A whole recording: one probability per started chunk, the last chunk filled up with zeros. As faster-whisper does,
  /// a recording that ends with a chunk gets one more of zeros: the result has samples.size() / 512 + 1 values.
  std::vector<float> probabilities(std::span<const float> samples) const;

 private:
  struct Weights;
  explicit SileroVad(std::unique_ptr<const Weights> weights);
  void encode(std::size_t num_chunks, Scratch::Buffers& buffers) const;

  std::unique_ptr<const Weights> weights_;
};

}  // namespace stenod::vad
