#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/loop.h"

namespace stenod::engine {
namespace {

Error invalid(std::string message, std::string param) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(param)};
}

Status check_tokens(const whisper::SpecialTokens& tokens, int vocab_size) {
  auto specials = tokens.languages;
  specials.insert(specials.end(), {tokens.start_of_transcript, tokens.transcribe, tokens.translate, tokens.no_speech,
                                   tokens.no_timestamps});
  for (const int token : specials) {
    if (token <= tokens.end_of_text || token >= tokens.timestamp_begin) {
      return invalid(fmt::format("special token {} does not lie between end of text ({}) and the timestamps ({})",
                                 token, tokens.end_of_text, tokens.timestamp_begin),
                     "tokens");
    }
  }
  const int num_timestamps = whisper::kMaxEncoderFrames + 1;
  if (tokens.end_of_text < 1 || tokens.timestamp_begin > vocab_size - num_timestamps) {
    return invalid(fmt::format("timestamps from token {} on do not fit the model's vocabulary of {}",
                               tokens.timestamp_begin, vocab_size),
                   "tokens");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<whisper::Runner> runner, whisper::SpecialTokens tokens,
                                               TextFunctions text, EngineOptions options) {
  if (!runner) return invalid("there is no runner", "runner");
  STENOD_RETURN_IF_ERROR(check_tokens(tokens, runner->dims().vocab_size));
  if (!text.detokenise || !text.split_words || !text.max_text_tokens) {
    return invalid("a text function is missing", "text");
  }
  const auto& limits = runner->limits();
  if (limits.num_slots < 1 || limits.max_rows < whisper::WindowDecoder::kMaxRows ||
      limits.max_group_frames < whisper::kMaxEncoderFrames) {
    return invalid("the runner cannot hold one window of 30 s and its prompt", "runner");
  }
  if (options.max_queued < 1) return invalid("max_queued must be at least 1", "max_queued");
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<Loop>(std::move(runner), Model{std::move(tokens), std::move(text)}, options)));
}

Engine::Engine(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

Engine::~Engine() = default;

Status Engine::submit(Request request, Callback callback) {
  return loop_->submit(std::move(request), std::move(callback));
}

void Engine::stop(StopMode mode) { loop_->stop(mode); }

Statistics Engine::statistics() const { return loop_->statistics(); }

}  // namespace stenod::engine
