#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// A tensor of a format that keeps each part of the model under a name of its own: safetensors, ggml.
struct NamedTensor {
  TensorView view;
  std::string file;        ///< where it is from, for messages
  std::size_t offset = 0;  ///< of its data in that file, for messages
};
using NamedTensors = std::map<std::string, NamedTensor, std::less<>>;

/// What a format calls the parts of Whisper: sides, then those of a side, then those of a layer.
struct WhisperNames {
  std::string_view encoder, decoder;
  std::string_view layers, positions, encoder_norm, decoder_norm, token_embedding;
  std::string_view projection;  ///< the output projection's whole name; empty where the format has none
  std::string_view self_attention, cross_attention, query, key, value, output;
  std::string_view self_attention_norm, cross_attention_norm, mlp_norm, mlp_up, mlp_down;
};

/// As Hugging Face's WhisperForConditionalGeneration calls them, and as OpenAI does.
extern const WhisperNames kHuggingFaceNames;
extern const WhisperNames kOpenAiNames;

/// Checks that `dims` are Whisper's: d_model a multiple of 64, 80 or 128 mel bins, windows of 30 s, 448 tokens of text,
/// nothing beyond the limits of whisper_weights.h. `file` is for messages. Error: kModelBadShape.
Status check_dims(const WhisperDims& dims, std::string_view file);

/// Puts a model of the given sizes together, without `generation`, `vocabulary` and `storage`. All shapes and types are
/// checked, that biases, norms and positions are finite floats, that nothing is missing, and that nothing is left over:
/// that would mean another architecture. `file` is for messages about tensors that are not there.
/// Errors: kModelMissingVariable, kModelUnknownVariable, kModelBadShape, kModelBadType, kModelBadValue.
Result<WhisperWeights> assemble_whisper(const NamedTensors& tensors, const WhisperNames& names, const WhisperDims& dims,
                                        std::string_view file);

}  // namespace stenod::models
