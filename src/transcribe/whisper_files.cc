#include "transcribe/whisper_files.h"

#include <utility>

#include "models/whisper_reader.h"
#include "text/suppressed_tokens.h"

namespace stenod::transcribe {

Result<WhisperFiles> read_whisper_files(const std::filesystem::path& path) {
  STENOD_ASSIGN_OR_RETURN(models::WhisperWeights weights, models::read_whisper(path));
  const int vocab_size = weights.dims.vocab_size;
  if (weights.vocabulary.empty()) {
    STENOD_ASSIGN_OR_RETURN(text::Tokenizer tokenizer, text::Tokenizer::load(path, vocab_size));
    return WhisperFiles{std::move(weights), std::move(tokenizer)};
  }
  STENOD_ASSIGN_OR_RETURN(text::Tokenizer tokenizer,
                          text::Tokenizer::from_tokens(weights.vocabulary, vocab_size, path.string()));
  weights.vocabulary = {};
  weights.generation.suppress_tokens = text::standard_suppressed_tokens(tokenizer);
  weights.generation.suppress_begin_tokens = text::standard_suppressed_begin_tokens(tokenizer);
  return WhisperFiles{std::move(weights), std::move(tokenizer)};
}

}  // namespace stenod::transcribe
