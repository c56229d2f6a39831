#include "models/named_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "models/data_type.h"

namespace stenod::models {
namespace {

constexpr int kConvWidth = 3;

/// Makes checked views of the tensors.
class Assembler {
 public:
  Assembler(const NamedTensors& tensors, const WhisperNames& names, const WhisperDims& dims, std::string_view file)
      : tensors_(tensors), names_(names), dims_(dims), d_(dims.d_model), file_(file) {}

  Result<WhisperWeights> assemble() {
    WhisperWeights weights;
    weights.dims = dims_;
    STENOD_RETURN_IF_ERROR(read_encoder(weights));
    STENOD_RETURN_IF_ERROR(read_decoder(weights));
    STENOD_RETURN_IF_ERROR(check_projection(weights.token_embedding));
    STENOD_RETURN_IF_ERROR(check_nothing_left());
    return weights;
  }

 private:
  static Error error_at(ErrorCode code, const NamedTensor& tensor, const std::string& what) {
    return {code, fmt::format("{}: at byte {}: {}", tensor.file, tensor.offset, what), tensor.file};
  }

  Result<const NamedTensor*> find(const std::string& name, std::initializer_list<std::int64_t> shape) {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) {
      return Error{ErrorCode::kModelMissingVariable, fmt::format("{}: {} is missing", file_, name), file_};
    }
    const NamedTensor& tensor = it->second;
    const auto& found = tensor.view.shape;
    if (!std::equal(shape.begin(), shape.end(), found.begin(), found.end())) {
      return error_at(ErrorCode::kModelBadShape, tensor,
                      fmt::format("{} is [{}], expected [{}]", name, fmt::join(found, ", "), fmt::join(shape, ", ")));
    }
    used_.insert(it->first);
    return &tensor;
  }

  /// A matrix; its values are checked where they are packed.
  Status weight(TensorView& out, const std::string& name, std::initializer_list<std::int64_t> shape) {
    STENOD_ASSIGN_OR_RETURN(const NamedTensor* tensor, find(name, shape));
    out = tensor->view;
    return {};
  }

  /// A tensor that is never quantised.
  Status floats(TensorView& out, const std::string& name, std::initializer_list<std::int64_t> shape) {
    STENOD_ASSIGN_OR_RETURN(const NamedTensor* tensor, find(name, shape));
    if (!is_float(tensor->view.type)) {
      return error_at(
          ErrorCode::kModelBadType, *tensor,
          fmt::format("{} is {}, expected float32, float16 or bfloat16", name, data_type_name(tensor->view.type)));
    }
    if (const auto index = first_non_finite(tensor->view)) {
      return error_at(ErrorCode::kModelBadValue, *tensor,
                      fmt::format("value {} of {} is infinite or not a number", *index, name));
    }
    out = tensor->view;
    return {};
  }

  Status linear(LinearView& out, const std::string& name, std::int64_t rows, std::int64_t columns,
                bool has_bias = true) {
    STENOD_RETURN_IF_ERROR(weight(out.weight, name + ".weight", {rows, columns}));
    return has_bias ? floats(out.bias.emplace(), name + ".bias", {rows}) : Status();
  }

  Status norm(LayerNormView& out, const std::string& name) {
    STENOD_RETURN_IF_ERROR(floats(out.gamma, name + ".weight", {d_}));
    return floats(out.beta, name + ".bias", {d_});
  }

  std::string name(std::string_view first, std::string_view second) const { return fmt::format("{}{}", first, second); }

  Status query(LinearView& out, const std::string& attention) {
    return linear(out, name(attention, names_.query), d_, d_);
  }
  Status key_and_value(StackedLinearView& out, const std::string& attention) {
    STENOD_RETURN_IF_ERROR(linear(out.emplace_back(), name(attention, names_.key), d_, d_, false));
    return linear(out.emplace_back(), name(attention, names_.value), d_, d_);
  }
  Status output(LinearView& out, const std::string& attention) {
    return linear(out, name(attention, names_.output), d_, d_);
  }

  /// The parts that encoder and decoder layers share.
  template <typename Layer>
  Status self_attention_and_mlp(Layer& layer, const std::string& prefix) {
    const std::string attention = name(prefix, names_.self_attention);
    STENOD_RETURN_IF_ERROR(norm(layer.self_attention_norm, name(prefix, names_.self_attention_norm)));
    STENOD_RETURN_IF_ERROR(query(layer.qkv.emplace_back(), attention));
    STENOD_RETURN_IF_ERROR(key_and_value(layer.qkv, attention));
    STENOD_RETURN_IF_ERROR(output(layer.self_attention_output, attention));
    STENOD_RETURN_IF_ERROR(norm(layer.mlp_norm, name(prefix, names_.mlp_norm)));
    STENOD_RETURN_IF_ERROR(linear(layer.mlp_up, name(prefix, names_.mlp_up), dims_.mlp_size, d_));
    return linear(layer.mlp_down, name(prefix, names_.mlp_down), d_, dims_.mlp_size);
  }

  std::string layer_prefix(std::string_view side, int index) const {
    return fmt::format("{}{}{}.", side, names_.layers, index);
  }

  Status read_encoder(WhisperWeights& w) {
    const std::string_view side = names_.encoder;
    STENOD_RETURN_IF_ERROR(weight(w.conv1_weight, name(side, "conv1.weight"), {d_, dims_.num_mels, kConvWidth}));
    STENOD_RETURN_IF_ERROR(floats(w.conv1_bias, name(side, "conv1.bias"), {d_}));
    STENOD_RETURN_IF_ERROR(weight(w.conv2_weight, name(side, "conv2.weight"), {d_, d_, kConvWidth}));
    STENOD_RETURN_IF_ERROR(floats(w.conv2_bias, name(side, "conv2.bias"), {d_}));
    STENOD_RETURN_IF_ERROR(floats(w.encoder_positions, name(side, names_.positions), {dims_.max_encoder_frames, d_}));
    for (int i = 0; i < dims_.num_encoder_layers; ++i) {
      STENOD_RETURN_IF_ERROR(self_attention_and_mlp(w.encoder_layers.emplace_back(), layer_prefix(side, i)));
    }
    return norm(w.encoder_norm, name(side, names_.encoder_norm));
  }

  Status read_decoder(WhisperWeights& w) {
    const std::string_view side = names_.decoder;
    STENOD_RETURN_IF_ERROR(weight(w.token_embedding, name(side, names_.token_embedding), {dims_.vocab_size, d_}));
    STENOD_RETURN_IF_ERROR(floats(w.decoder_positions, name(side, names_.positions), {dims_.max_text_positions, d_}));
    for (int i = 0; i < dims_.num_decoder_layers; ++i) {
      const std::string prefix = layer_prefix(side, i);
      const std::string attention = name(prefix, names_.cross_attention);
      DecoderLayerView& layer = w.decoder_layers.emplace_back();
      STENOD_RETURN_IF_ERROR(self_attention_and_mlp(layer, prefix));
      STENOD_RETURN_IF_ERROR(norm(layer.cross_attention_norm, name(prefix, names_.cross_attention_norm)));
      STENOD_RETURN_IF_ERROR(query(layer.cross_query, attention));
      STENOD_RETURN_IF_ERROR(key_and_value(layer.cross_key_value, attention));
      STENOD_RETURN_IF_ERROR(output(layer.cross_output, attention));
    }
    return norm(w.decoder_norm, name(side, names_.decoder_norm));
  }

  /// Whisper's output projection is the token embedding. A file may hold it twice, but not differently.
  Status check_projection(const TensorView& embedding) {
    if (names_.projection.empty() || !tensors_.contains(names_.projection)) return {};
    const std::string projection_name(names_.projection);
    STENOD_ASSIGN_OR_RETURN(const NamedTensor* projection, find(projection_name, {dims_.vocab_size, d_}));
    if (projection->view.type == embedding.type &&
        std::equal(embedding.bytes.begin(), embedding.bytes.end(), projection->view.bytes.begin(),
                   projection->view.bytes.end())) {
      return {};
    }
    return error_at(ErrorCode::kModelBadValue, *projection,
                    fmt::format("{} differs from {}{}, expected one matrix for both", projection_name, names_.decoder,
                                names_.token_embedding));
  }

  Status check_nothing_left() const {
    for (const auto& [tensor_name, tensor] : tensors_) {
      if (used_.contains(tensor_name)) continue;
      return error_at(ErrorCode::kModelUnknownVariable, tensor,
                      fmt::format("{} is not a part of Whisper with {} encoder and {} decoder layers", tensor_name,
                                  dims_.num_encoder_layers, dims_.num_decoder_layers));
    }
    return {};
  }

  const NamedTensors& tensors_;
  const WhisperNames& names_;
  const WhisperDims& dims_;
  const std::int64_t d_;
  std::string file_;
  std::set<std::string_view> used_;
};

}  // namespace

constexpr WhisperNames kHuggingFaceNames = {.encoder = "model.encoder.",
                                            .decoder = "model.decoder.",
                                            .layers = "layers.",
                                            .positions = "embed_positions.weight",
                                            .encoder_norm = "layer_norm",
                                            .decoder_norm = "layer_norm",
                                            .token_embedding = "embed_tokens.weight",
                                            .projection = "proj_out.weight",
                                            .self_attention = "self_attn.",
                                            .cross_attention = "encoder_attn.",
                                            .query = "q_proj",
                                            .key = "k_proj",
                                            .value = "v_proj",
                                            .output = "out_proj",
                                            .self_attention_norm = "self_attn_layer_norm",
                                            .cross_attention_norm = "encoder_attn_layer_norm",
                                            .mlp_norm = "final_layer_norm",
                                            .mlp_up = "fc1",
                                            .mlp_down = "fc2"};

constexpr WhisperNames kOpenAiNames = {.encoder = "encoder.",
                                       .decoder = "decoder.",
                                       .layers = "blocks.",
                                       .positions = "positional_embedding",
                                       .encoder_norm = "ln_post",
                                       .decoder_norm = "ln",
                                       .token_embedding = "token_embedding.weight",
                                       .projection = "",
                                       .self_attention = "attn.",
                                       .cross_attention = "cross_attn.",
                                       .query = "query",
                                       .key = "key",
                                       .value = "value",
                                       .output = "out",
                                       .self_attention_norm = "attn_ln",
                                       .cross_attention_norm = "cross_attn_ln",
                                       .mlp_norm = "mlp_ln",
                                       .mlp_up = "mlp.0",
                                       .mlp_down = "mlp.2"};

Status check_dims(const WhisperDims& dims, std::string_view file) {
  const auto fail = [&](const std::string& what) {
    return Error{ErrorCode::kModelBadShape, fmt::format("{}: {}", file, what), std::string(file)};
  };
  if (dims.d_model < kHeadSize || dims.d_model % kHeadSize != 0 || dims.d_model > kMaxDModel) {
    return fail(fmt::format("a width of {}, expected a multiple of {} up to {}", dims.d_model, kHeadSize, kMaxDModel));
  }
  if (dims.num_heads != dims.d_model / kHeadSize) {
    return fail(fmt::format("{} attention heads, expected {} for a width of {}", dims.num_heads,
                            dims.d_model / kHeadSize, dims.d_model));
  }
  if (dims.mlp_size != 4 * dims.d_model) {
    return fail(fmt::format("an inner width of {}, expected {}", dims.mlp_size, 4 * dims.d_model));
  }
  for (const int layers : {dims.num_encoder_layers, dims.num_decoder_layers}) {
    if (layers < 1 || layers > kMaxLayers) return fail(fmt::format("{} layers, expected 1 to {}", layers, kMaxLayers));
  }
  if (dims.vocab_size < 1 || dims.vocab_size > kMaxVocabSize) {
    return fail(fmt::format("{} tokens, expected 1 to {}", dims.vocab_size, kMaxVocabSize));
  }
  if (dims.num_mels != 80 && dims.num_mels != 128) {
    return fail(fmt::format("{} mel bins, expected 80 or 128", dims.num_mels));
  }
  const WhisperDims standard;
  if (dims.max_encoder_frames != standard.max_encoder_frames ||
      dims.max_text_positions != standard.max_text_positions) {
    return fail(fmt::format("{} positions of audio and {} of text, expected {} and {}", dims.max_encoder_frames,
                            dims.max_text_positions, standard.max_encoder_frames, standard.max_text_positions));
  }
  return {};
}

Result<WhisperWeights> assemble_whisper(const NamedTensors& tensors, const WhisperNames& names, const WhisperDims& dims,
                                        std::string_view file) {
  return Assembler(tensors, names, dims, file).assemble();
}

}  // namespace stenod::models
