#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "transcribe/recogniser.h"
#include "vad/silero_vad.h"

namespace stenod::live {

/// What live transcription asks of a loaded model. Functions, so that tests can do without one. Any thread may call
/// them.
struct SpeechModel {
  /// engine::Engine::submit().
  std::function<Status(engine::Request, engine::Callback)> recognise;
  /// vad::SileroVad::run(): the probability of speech of each of N chunks of 512 samples.
  std::function<void(vad::VadState&, std::span<const float> samples, std::span<float> probabilities)> detect;
  engine::TextFunctions text;
  std::shared_ptr<const whisper::SuppressedTokens> suppressed;
  /// The prompt that hotwords and what was said before are for the model.
  std::function<std::vector<int>(std::string_view hotwords, std::string_view previous)> prompt_tokens;
  int num_mels = 80;
  bool multilingual = true;
  bool has_word_times = true;
  std::function<std::string(int language_token)> language_code;
  std::function<std::optional<int>(std::string_view code)> language_token;  ///< none: the model does not know it
};

/// Of a recogniser, which must outlive what uses the model.
SpeechModel speech_model_of(transcribe::Recogniser& recogniser);

}  // namespace stenod::live
