#pragma once

#include <filesystem>

#include "base/result.h"
#include "models/whisper_weights.h"
#include "text/tokenizer.h"

namespace stenod::transcribe {

/// What a Whisper model's files hold.
struct WhisperFiles {
  models::WhisperWeights weights;
  text::Tokenizer tokenizer;
};

/// Reads and checks a model of any form (models/whisper_reader.h) and its vocabulary, which is in the weights' file or
/// beside it. What the form leaves open about decoding is filled in. Errors: those of models::read_whisper() and of
/// text::Tokenizer.
Result<WhisperFiles> read_whisper_files(const std::filesystem::path& path);

}  // namespace stenod::transcribe
