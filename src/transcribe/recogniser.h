#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "compute/isa.h"
#include "compute/types.h"
#include "engine/engine.h"
#include "models/whisper_weights.h"
#include "text/tokenizer.h"
#include "vad/silero_vad.h"

namespace stenod::transcribe {

struct RecogniserOptions {
  std::filesystem::path model_path = {};  ///< a folder or file (models/whisper_reader.h)
  std::filesystem::path vad_file = {};
  int num_threads = 0;                                    ///< 0: as many as the process has cores
  std::optional<compute::ComputeType> compute_type = {};  ///< absent: the fastest that this machine does well (int8)
  std::optional<compute::Isa> max_isa = {};               ///< absent: what the machine has
  int num_slots = 16;
  int max_queued = 0;  ///< windows that wait for a slot; 0: as many as there are slots
};

/// What a recogniser is made of.
struct RecogniserParts {
  std::unique_ptr<whisper::Runner> runner;
  std::string device_name;
  compute::ComputeType compute_type = compute::ComputeType::kInt8;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::unique_ptr<vad::SileroVad> vad;
  std::shared_ptr<const whisper::SuppressedTokens> suppressed;
  int max_queued = 0;  ///< 0: as many as there are slots, so that files are not prepared long before their turn

  /// Reads, checks and packs everything; blocks for a second or so. Errors: those of its parts.
  static Result<RecogniserParts> load(const RecogniserOptions& options);
};

/// A model that is ready to transcribe: engine, tokenizer and voice activity detector. Immutable but for the engine;
/// any thread may use it.
class Recogniser {
 public:
  /// Of loaded parts, and starts the engine.
  static Result<std::unique_ptr<Recogniser>> create(RecogniserParts parts);
  static Result<std::unique_ptr<Recogniser>> load(const RecogniserOptions& options);

  engine::Engine& engine() { return *engine_; }
  const text::Tokenizer& tokenizer() const { return *parts_.tokenizer; }
  const vad::SileroVad& vad() const { return *parts_.vad; }
  const models::WhisperDims& dims() const { return dims_; }
  const std::string& device_name() const { return parts_.device_name; }
  compute::ComputeType compute_type() const { return parts_.compute_type; }
  std::shared_ptr<const whisper::SuppressedTokens> suppressed_tokens() const { return parts_.suppressed; }
  bool has_word_times() const { return has_word_times_; }
  /// What the engine was given; they hold the tokenizer.
  engine::TextFunctions text_functions() const;

  /// The code of a language token ("en"); "en" for English-only models' -1.
  std::string language_code(int language_token) const;

 private:
  Recogniser() = default;

  RecogniserParts parts_;  ///< without the runner, which is the engine's
  models::WhisperDims dims_;
  bool has_word_times_ = false;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace stenod::transcribe
