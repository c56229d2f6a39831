#include "transcribe/recogniser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "compute/cpu/cpu_backend.h"
#include "text/language.h"
#include "transcribe/whisper_files.h"
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
    for (const std::string& code : tokenizer.language_codes())
      tokens.languages.push_back(*tokenizer.language_token(code));
  }
  tokens.transcribe = from.transcribe;
  tokens.translate = from.translate;
  tokens.start_of_previous = from.startofprev;
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

engine::TextFunctions make_text_functions(std::shared_ptr<const text::Tokenizer> tokenizer) {
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

Result<RecogniserParts> RecogniserParts::load(const RecogniserOptions& options) {
  RecogniserParts parts;
  STENOD_ASSIGN_OR_RETURN(const compute::Isa machine, compute::detect_isa());
  const int threads = options.num_threads > 0 ? options.num_threads : compute::cpu::default_num_threads();
  STENOD_ASSIGN_OR_RETURN(auto backend, compute::cpu::CpuBackend::create(threads, options.max_isa.value_or(machine)));
  parts.device_name = backend->name();
  parts.compute_type = options.compute_type.value_or(compute::ComputeType::kInt8);
  parts.max_queued = options.max_queued;

  STENOD_ASSIGN_OR_RETURN(WhisperFiles files, read_whisper_files(options.model_path));
  parts.tokenizer = std::make_shared<const text::Tokenizer>(std::move(files.tokenizer));
  STENOD_ASSIGN_OR_RETURN(auto vad, vad::SileroVad::load(options.vad_file));
  parts.vad = std::make_unique<vad::SileroVad>(std::move(vad));
  const models::WhisperGenerationConfig& generation = files.weights.generation;
  whisper::SuppressedTokens suppressed = {generation.suppress_tokens, generation.suppress_begin_tokens};
  // No text can do without these, whatever a file says.
  const text::SpecialTokens& special = parts.tokenizer->special();
  std::erase_if(suppressed.always, [&](int token) { return token == special.eot || token >= special.timestamp_begin; });
  parts.suppressed = std::make_shared<const whisper::SuppressedTokens>(std::move(suppressed));

  whisper::RunnerLimits limits;
  limits.num_slots = options.num_slots;
  // A beam of five in every slot goes on in one step.
  limits.max_rows = std::max(64, 5 * options.num_slots);
  limits.max_branches = whisper::kMaxBranches;
  limits.max_group_frames = 2 * whisper::kMaxEncoderFrames;
  auto runner =
      whisper::BackendRunner::create(std::move(backend), std::move(files.weights), parts.compute_type, limits);
  if (!runner && runner.error().code == ErrorCode::kInvalidArgument) {
    return Error{ErrorCode::kModelBadValue, fmt::format("{}: {}", options.model_path.string(), runner.error().message),
                 options.model_path.string()};
  }
  STENOD_ASSIGN_OR_RETURN(parts.runner, std::move(runner));
  return parts;
}

Result<std::unique_ptr<Recogniser>> Recogniser::create(RecogniserParts parts) {
  std::unique_ptr<Recogniser> recogniser(new Recogniser());
  recogniser->parts_ = std::move(parts);
  auto runner = std::move(recogniser->parts_.runner);
  recogniser->dims_ = runner->dims();
  recogniser->has_word_times_ = runner->num_alignment_heads() > 0;
  engine::EngineOptions options;
  const int max_queued = recogniser->parts_.max_queued;
  options.max_queued = max_queued > 0 ? max_queued : runner->limits().num_slots;
  const auto& tokenizer = recogniser->parts_.tokenizer;
  STENOD_ASSIGN_OR_RETURN(
      recogniser->engine_,
      engine::Engine::create(std::move(runner), special_tokens(*tokenizer, recogniser->dims_.multilingual()),
                             make_text_functions(tokenizer), options));
  return recogniser;
}

Result<std::unique_ptr<Recogniser>> Recogniser::load(const RecogniserOptions& options) {
  STENOD_ASSIGN_OR_RETURN(RecogniserParts parts, RecogniserParts::load(options));
  return create(std::move(parts));
}

engine::TextFunctions Recogniser::text_functions() const { return make_text_functions(parts_.tokenizer); }

std::string Recogniser::language_code(int language_token) const { return code_of(tokenizer(), language_token); }

}  // namespace stenod::transcribe
