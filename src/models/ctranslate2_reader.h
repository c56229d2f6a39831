#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// Reads a Whisper model from a folder as faster-whisper uses it: `model.bin` (ctranslate2_container.h), `config.json`
/// and, if there is one, `preprocessor_config.json`. The weights stay in the memory-mapped file, which `storage` keeps
/// alive: reading takes milliseconds and no memory to speak of.
///
/// float32, float16, bfloat16 and int8 files of any size of Whisper are read: d_model a multiple of 64, 80 or 128 mel
/// bins, English-only or multilingual, also with fewer decoder layers (distilled, turbo).
///
/// Everything is checked before use: structure, names, types, shapes against each other, the flags of the architecture,
/// token ids and alignment heads of the configuration, and that biases, norms, positions' types and quantisation scales
/// make sense. The values of the large weights are not read here; whoever converts them looks for NaN then
/// (whisper/packed_model.h).
///
/// Where config.json names no alignment heads, they are all heads of the last half of the decoder layers, as in
/// OpenAI's code; no language tokens, those of the standard vocabularies. English-only models have no language tokens.
///
/// Errors: those of parse_ct2_container, kModelMissingFile, kModelMissingVariable, kModelUnknownVariable,
/// kModelBadType, kModelBadShape, kModelBadValue, kModelBadConfig, and those of reading files. `param` is the file.
Result<WhisperWeights> read_ctranslate2(const std::filesystem::path& folder);

/// The same from memory, without `storage`: `model_bin` must outlive the result. `folder` is for messages only.
Result<WhisperWeights> parse_ctranslate2(std::span<const std::byte> model_bin, std::string_view config,
                                         std::optional<std::string_view> preprocessor_config,
                                         const std::filesystem::path& folder);

}  // namespace stenod::models
