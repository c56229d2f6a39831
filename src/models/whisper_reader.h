#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// The forms in which Whisper models come.
enum class WhisperForm {
  kCTranslate2,  ///< a folder with model.bin (ctranslate2_reader.h)
  kHuggingFace,  ///< a folder with model.safetensors or model.safetensors.index.json (huggingface_reader.h)
  kGgml,         ///< a file (ggml_reader.h)
};

/// "CTranslate2", "safetensors", "ggml".
std::string_view whisper_form_name(WhisperForm form);

/// Which form a path seems to hold, by what is there; nothing is read. A folder with model.bin and safetensors counts
/// as CTranslate2's.
std::optional<WhisperForm> find_whisper_form(const std::filesystem::path& path);

/// Reads and checks a model in whatever form it is. Blocks for some milliseconds.
/// Errors: those of the form's reader; kNotFound; kModelMissingFile, which says what the folder holds instead.
Result<WhisperWeights> read_whisper(const std::filesystem::path& path);

}  // namespace stenod::models
