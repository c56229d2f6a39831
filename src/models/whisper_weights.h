#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace stenod::models {

/// How values lie in a file. From kQ4_0 on in blocks as ggml quantises rows: 32 values, or 256 for those with a K,
/// share a scale (data_type.h).
enum class DataType {
  kFloat32,
  kFloat16,
  kBFloat16,
  kInt8,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K
};

/// A weight as it lies in its file: row-major, not copied, possibly unaligned. Read it with `memcpy`. A row (the first
/// dimension's) is whole blocks.
struct TensorView {
  DataType type = DataType::kFloat32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  /// For kInt8: one float32 per row of the first dimension (unaligned); weight = value / scale. Empty otherwise.
  std::span<const std::byte> scales;
};

/// y = x W^T + b. weight [out, in]; bias [out], absent where the architecture has none.
struct LinearView {
  TensorView weight;
  std::optional<TensorView> bias;
};

/// A linear map whose outputs may lie in several parts, one after the other: CTranslate2 stores queries, keys and
/// values as one matrix, other formats store three. All parts have the same inputs.
using StackedLinearView = std::vector<LinearView>;

/// gamma, beta [d_model]; epsilon is 1e-5 throughout.
struct LayerNormView {
  TensorView gamma, beta;
};

struct EncoderLayerView {
  LayerNormView self_attention_norm;
  StackedLinearView qkv;  ///< [3 d, d]: queries, keys, values; the keys' part of the bias is zero or absent
  LinearView self_attention_output;
  LayerNormView mlp_norm;
  LinearView mlp_up;    ///< [4 d, d], followed by GELU (the exact one, with erf)
  LinearView mlp_down;  ///< [d, 4 d]
};

struct DecoderLayerView {
  LayerNormView self_attention_norm;
  StackedLinearView qkv;
  LinearView self_attention_output;
  LayerNormView cross_attention_norm;
  LinearView cross_query;  ///< [d, d]
  StackedLinearView
      cross_key_value;  ///< [2 d, d]: keys, values of the encoder's output; the keys' bias is zero or absent
  LinearView cross_output;
  LayerNormView mlp_norm;
  LinearView mlp_up, mlp_down;
};

/// What no Whisper model exceeds (large-v3: 1280 wide, 32 layers); files that claim more are refused.
inline constexpr int kHeadSize = 64;
inline constexpr int kMaxDModel = 8192;
inline constexpr int kMaxVocabSize = 1 << 20;
inline constexpr int kMaxLayers = 128;

/// The sizes of one model.
struct WhisperDims {
  int num_mels = 80;  ///< 80, or 128 for large-v3 and turbo
  int d_model = 0;    ///< a multiple of 64
  int num_heads = 0;  ///< d_model / 64
  int num_encoder_layers = 0;
  int num_decoder_layers = 0;
  int mlp_size = 0;    ///< 4 d_model
  int vocab_size = 0;  ///< 51864 English only, 51865 multilingual, 51866 large-v3
  int max_encoder_frames = 1500;
  int max_text_positions = 448;
  bool multilingual() const { return vocab_size >= 51865; }
};

/// What a model's configuration says about decoding.
struct WhisperGenerationConfig {
  std::vector<int> suppress_tokens;                  ///< never written
  std::vector<int> suppress_begin_tokens;            ///< not written first
  std::vector<std::pair<int, int>> alignment_heads;  ///< (decoder layer, head), whose attention follows the audio
};

/// One Whisper model in memory, whatever file format it came from. Views point into `storage`.
struct WhisperWeights {
  WhisperDims dims;
  WhisperGenerationConfig generation;
  TensorView conv1_weight;  ///< [d, num_mels, 3]
  TensorView conv1_bias;    ///< [d]
  TensorView conv2_weight;  ///< [d, d, 3], stride 2
  TensorView conv2_bias;
  TensorView encoder_positions;  ///< [max_encoder_frames, d]
  std::vector<EncoderLayerView> encoder_layers;
  LayerNormView encoder_norm;
  TensorView token_embedding;    ///< [vocab_size, d]; the output projection too, transposed
  TensorView decoder_positions;  ///< [max_text_positions, d]
  std::vector<DecoderLayerView> decoder_layers;
  LayerNormView decoder_norm;
  /// The bytes of the text tokens by number, where the weights' file holds them; `generation` then suppresses none.
  std::vector<std::string> vocabulary;
  std::shared_ptr<const std::vector<MappedFile>> storage;  ///< null when the bytes belong to somebody else
};

}  // namespace stenod::models
