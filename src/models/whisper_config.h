#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// Reads CTranslate2's config.json: suppress_ids, suppress_ids_begin, alignment_heads; each may be missing or
/// null, other members are ignored. Token ids and heads are checked against `dims`. `file` is for messages.
/// Errors: kJsonMalformed, kModelBadConfig.
Result<WhisperGenerationConfig> parse_whisper_config(std::string_view text, const WhisperDims& dims,
                                                     const std::filesystem::path& file);

/// Checks that preprocessor_config.json, if it says how many mel bins the model takes, says `num_mels`.
/// Errors: kJsonMalformed, kModelBadConfig.
Status check_preprocessor_config(std::string_view text, int num_mels, const std::filesystem::path& file);

}  // namespace stenod::models
