#include "live/speech_model.h"

#include <utility>

#include "transcribe/decoding_settings.h"

namespace stenod::live {
namespace {

// Every partial and final reads the prompt anew, which costs as much as that much text in a batch.
constexpr int kMaxPromptTokens = 111;

}  // namespace

SpeechModel speech_model_of(transcribe::Recogniser& recogniser) {
  SpeechModel model;
  model.recognise = [&recogniser](engine::Request request, engine::Callback callback) {
    return recogniser.engine().submit(std::move(request), std::move(callback));
  };
  model.detect = [&vad = recogniser.vad()](vad::VadState& state, std::span<const float> samples,
                                           std::span<float> probabilities) {
    // The audio pool has few threads, sessions there may be many.
    static thread_local vad::SileroVad::Scratch scratch;
    vad.run(state, samples, probabilities, scratch);
  };
  model.text = recogniser.text_functions();
  model.suppressed = recogniser.suppressed_tokens();
  model.prompt_tokens = [&tokenizer = recogniser.tokenizer()](std::string_view hotwords, std::string_view previous) {
    return transcribe::join_prompt(transcribe::encode_stripped(tokenizer, hotwords),
                                   transcribe::encode_stripped(tokenizer, previous), kMaxPromptTokens);
  };
  model.num_mels = recogniser.dims().num_mels;
  model.multilingual = recogniser.dims().multilingual();
  model.has_word_times = recogniser.has_word_times();
  model.language_code = [&recogniser](int token) { return recogniser.language_code(token); };
  model.language_token = [&recogniser](std::string_view code) { return recogniser.tokenizer().language_token(code); };
  return model;
}

}  // namespace stenod::live
