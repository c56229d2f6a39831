#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "compute/backend.h"
#include "models/whisper_weights.h"

namespace stenod::whisper {

/// A model's weights on a backend, converted and packed for one compute type. Immutable once loaded.
struct PackedModel {
  using Linear = std::unique_ptr<compute::PackedLinear>;

  struct EncoderLayer {
    compute::LayerNorm self_attention_norm, mlp_norm;
    Linear qkv, self_attention_output, mlp_up, mlp_down;
  };
  struct DecoderLayer {
    compute::LayerNorm self_attention_norm, cross_attention_norm, mlp_norm;
    Linear qkv, self_attention_output, cross_query, cross_key_value, cross_output, mlp_up, mlp_down;
  };

  /// Packs `weights`; takes about as long as reading them from memory a few times. The token embedding is also read
  /// row by row later, so the views stay in use (they keep their file mapped).
  /// Errors: kNotSupported, kOutOfMemory, kInvalidArgument (a weight is not finite).
  static Result<PackedModel> load(compute::Backend& backend, models::WhisperWeights weights, compute::ComputeType type);

  /// Row `token` of the embedding, [d_model].
  void read_token_embedding(int token, std::span<float> row) const;
  /// Row `position` of the decoder's positions, [d_model].
  void read_decoder_position(int position, std::span<float> row) const;

  models::WhisperWeights weights;
  /// Convolutions over three frames are products of [d_model, 3 * channels] with overlapping rows.
  Linear conv1, conv2;
  const float* encoder_positions = nullptr;  ///< [max_encoder_frames, d_model]
  std::vector<EncoderLayer> encoder_layers;
  compute::LayerNorm encoder_norm;
  std::vector<DecoderLayer> decoder_layers;
  compute::LayerNorm decoder_norm;
  Linear token_logits;  ///< the token embedding as output projection

 private:
  std::vector<std::unique_ptr<compute::Backend::Buffer>> buffers_;  ///< of norms and positions
  friend class ModelPacker;
};

}  // namespace stenod::whisper
