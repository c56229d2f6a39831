#include "transcribe/recogniser.h"

#include <algorithm>
#include <utility>

#include "compute/cpu/cpu_backend.h"
#include "models/ctranslate2_reader.h"
#include "text/language.h"
#include "whisper/backend_runner.h"

namespace stenod::transcribe {
namespace {

whisper::SpecialTokens special_tokens(const text::Tokenizer& tokenizer, bool multilingual) {
  const text::SpecialTokens& from = tokenizer.special();
  whisper::SpecialTokens tokens;
  tokens.end_of_text = from.eot;
  tokens.start_of_transcript = from.sot;
  // English-only models have the tokens of languages, but were never trained to read them.
  if (multilingual) {
    for (const std::string& code : tokenizer.language_codes()) tokens.languages.push_back(*tokenizer.language_token(code));
  }
  tokens.transcribe = from.transcribe;
  tokens.translate = from.translate;
  tokens.no_speech = from.no_speech;
  tokens.no_timestamps = from.notimestamps;
  tokens.timestamp_begin = from.timestamp_begin;
  return tokens;
}

std::string code_of(const text::Tokenizer& tokenizer, int language_token) {
  const auto index = static_cast<std::size_t>(language_token - tokenizer.special().sot - 1);
  const auto codes = tokenizer.language_codes();
  return language_token >= 0 && index < codes.size() ? codes[index] : "en";
}

engine::TextFunctions text_functions(std::shared_ptr<const text::Tokenizer> tokenizer) {
  engine::TextFunctions functions;
  functions.detokenise = [tokenizer](std::span<const int> tokens) { return tokenizer->decode(tokens); };
  functions.split_words = [tokenizer](std::span<const int> tokens, int language_token) {
    return text::split_to_words(*tokenizer, tokens, code_of(*tokenizer, language_token));
  };
  functions.max_text_tokens = [tokenizer](int language_token, double seconds) {
    return text::max_tokens_for(code_of(*tokenizer, language_token), seconds);
  };
  return functions;
}

}  // namespace

Result<std::unique_ptr<Recogniser>> Recogniser::load(const RecogniserOptions& options) {
  std::unique_ptr<Recogniser> recogniser(new Recogniser());
  STENOD_ASSIGN_OR_RETURN(const compute::Isa machine, compute::detect_isa());
  const int threads = options.num_threads > 0 ? options.num_threads : compute::cpu::default_num_threads();
  STENOD_ASSIGN_OR_RETURN(auto backend, compute::cpu::CpuBackend::create(threads, options.max_isa.value_or(machine)));
  recogniser->device_name_ = backend->name();
  recogniser->compute_type_ = options.compute_type.value_or(compute::ComputeType::kInt8);

  STENOD_ASSIGN_OR_RETURN(auto weights, models::read_ctranslate2(options.model_folder));
  recogniser->dims_ = weights.dims;
  STENOD_ASSIGN_OR_RETURN(auto tokenizer, text::Tokenizer::load(options.model_folder, weights.dims.vocab_size));
  recogniser->tokenizer_ = std::make_shared<const text::Tokenizer>(std::move(tokenizer));
  STENOD_ASSIGN_OR_RETURN(auto vad, vad::SileroVad::load(options.vad_file));
  recogniser->vad_ = std::make_unique<vad::SileroVad>(std::move(vad));
  recogniser->suppressed_ = std::make_shared<const whisper::SuppressedTokens>(whisper::SuppressedTokens{
      weights.generation.suppress_tokens, weights.generation.suppress_begin_tokens});

  whisper::RunnerLimits limits;
  limits.num_slots = options.num_slots;
  limits.max_rows = std::max(64, 4 * options.num_slots);
  limits.max_group_frames = 2 * whisper::kMaxEncoderFrames;
  STENOD_ASSIGN_OR_RETURN(auto runner, whisper::BackendRunner::create(std::move(backend), std::move(weights),
                                                                      recogniser->compute_type_, limits));
  engine::EngineOptions engine_options;
  engine_options.max_queued = 4 * options.num_slots;
  STENOD_ASSIGN_OR_RETURN(recogniser->engine_,
                          engine::Engine::create(
                              std::move(runner),
                              special_tokens(*recogniser->tokenizer_, recogniser->dims_.multilingual()),
                              text_functions(recogniser->tokenizer_), engine_options));
  return recogniser;
}

std::string Recogniser::language_code(int language_token) const { return code_of(*tokenizer_, language_token); }

}  // namespace stenod::transcribe
