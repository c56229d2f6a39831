#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// Reads CTranslate2's config.json: suppress_ids, suppress_ids_begin, alignment_heads; each may be missing or
/// null, other members are ignored. Token ids and heads are checked against `dims`. `file` is for messages.
/// Errors: kJsonMalformed, kModelBadConfig.
Result<WhisperGenerationConfig> parse_whisper_config(std::string_view text, const WhisperDims& dims,
                                                     const std::filesystem::path& file);

/// The same with the names of Hugging Face's generation_config.json: suppress_tokens, begin_suppress_tokens,
/// alignment_heads. What it doesn't say, config.json may, where older models have it. Heads of layers that the decoder
/// lacks are passed over: distilled models often keep those of the model that they were taught by.
Result<WhisperGenerationConfig> parse_huggingface_generation(std::optional<std::string_view> generation_config,
                                                             std::string_view config, const WhisperDims& dims,
                                                             const std::filesystem::path& folder);

/// Reads the sizes of the model in Hugging Face's config.json, and checks what its WhisperConfig can vary and Whisper
/// doesn't. Members that are missing have the defaults that they have there, but for the sizes.
/// Errors: kJsonMalformed, kModelBadConfig, kModelBadShape (check_dims).
Result<WhisperDims> parse_huggingface_dims(std::string_view config, const std::filesystem::path& file);

/// All heads of the last half of the decoder's layers, as OpenAI's code has it where nothing better is known.
std::vector<std::pair<int, int>> default_alignment_heads(const WhisperDims& dims);

/// Checks that preprocessor_config.json, if it says how many mel bins the model takes, says `num_mels`.
/// Errors: kJsonMalformed, kModelBadConfig.
Status check_preprocessor_config(std::string_view text, int num_mels, const std::filesystem::path& file);

}  // namespace stenod::models
