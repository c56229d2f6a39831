#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "models/named_tensors.h"

namespace stenod::models {

/// Reads a Whisper model from a folder as Hugging Face's transformers write and publish it: `config.json`,
/// `model.safetensors`, or `model.safetensors.index.json` and the files that it names (safetensors.h), and where they
/// exist `generation_config.json` and `preprocessor_config.json`. Weights stay in the memory-mapped files, which
/// `storage` keeps alive. Sizes and what is checked are as with read_ctranslate2().
///
/// Errors: those of safetensors.h, assemble_whisper() and whisper_config.h, kModelMissingFile, and those of reading
/// files. `param` is the file.
Result<WhisperWeights> read_huggingface(const std::filesystem::path& folder);

/// A folder's JSON files.
struct HuggingFaceTexts {
  std::string config;
  std::optional<std::string> generation_config, preprocessor_config;
};

/// The same from memory, without `storage`. `folder` is for messages only.
Result<WhisperWeights> parse_huggingface(const NamedTensors& tensors, const HuggingFaceTexts& texts,
                                         const std::filesystem::path& folder);

}  // namespace stenod::models
