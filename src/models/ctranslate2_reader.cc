#include "models/ctranslate2_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/file.h"
#include "models/ctranslate2_container.h"
#include "models/data_type.h"
#include "models/whisper_config.h"

namespace stenod::models {
namespace {

constexpr std::string_view kSpec = "WhisperSpec";
constexpr std::uint32_t kRevision = 3;
constexpr int kConvWidth = 3;
constexpr int kGelu = 3;  // number of the exact GELU among CTranslate2's activations
constexpr std::size_t kMaxJsonSize = 4 << 20;

/// Makes typed, checked views of a container's variables.
class Reader {
 public:
  Reader(const Ct2Container& container, std::string file) : container_(container), file_(std::move(file)) {}

  Result<WhisperWeights> read() {
    STENOD_RETURN_IF_ERROR(check_header());
    WhisperWeights w;
    STENOD_RETURN_IF_ERROR(read_dims(w.dims));
    STENOD_RETURN_IF_ERROR(check_scalars(w.dims));
    STENOD_RETURN_IF_ERROR(read_encoder(w));
    STENOD_RETURN_IF_ERROR(read_decoder(w));
    STENOD_RETURN_IF_ERROR(check_nothing_left());
    return w;
  }

 private:
  Error error(ErrorCode code, const std::string& what) const {
    return {code, fmt::format("{}: {}", file_, what), file_};
  }
  Error error_at(ErrorCode code, const Ct2Variable& variable, const std::string& what) const {
    return {code, fmt::format("{}: at byte {}: {}", file_, variable.offset, what), file_};
  }

  Status check_header() const {
    if (container_.spec != kSpec) {
      return error(ErrorCode::kModelBadMagic, fmt::format("a {} model, expected {}", container_.spec, kSpec));
    }
    if (container_.revision != kRevision) {
      return error(ErrorCode::kModelUnsupportedVersion,
                   fmt::format("{} revision {}, expected {}; convert the model again with a current "
                               "ct2-transformers-converter",
                               kSpec, container_.revision, kRevision));
    }
    return {};
  }

  Result<const Ct2Variable*> find(const std::string& name) {
    const Ct2Variable* variable = container_.find(name);
    if (variable == nullptr) return error(ErrorCode::kModelMissingVariable, fmt::format("{} is missing", name));
    used_.insert(variable);
    return variable;
  }

  Result<const Ct2Variable*> find_with_rank(const std::string& name, std::size_t rank) {
    STENOD_ASSIGN_OR_RETURN(const Ct2Variable* variable, find(name));
    if (variable->shape.size() != rank) {
      return error_at(ErrorCode::kModelBadShape, *variable,
                      fmt::format("{} has {} dimensions, expected {}", name, variable->shape.size(), rank));
    }
    return variable;
  }

  /// A scalar flag or number; `fallback` where the file has none.
  Result<int> scalar(const std::string& name, int fallback) {
    if (container_.find(name) == nullptr) return fallback;
    STENOD_ASSIGN_OR_RETURN(const Ct2Variable* variable, find_with_rank(name, 0));
    switch (variable->type) {
      case Ct2Type::kInt8:
        return static_cast<int>(static_cast<std::int8_t>(variable->bytes[0]));
      case Ct2Type::kInt16: {
        std::int16_t value;
        std::memcpy(&value, variable->bytes.data(), sizeof(value));
        return value;
      }
      case Ct2Type::kInt32: {
        std::int32_t value;
        std::memcpy(&value, variable->bytes.data(), sizeof(value));
        return value;
      }
      default:
        return error_at(ErrorCode::kModelBadType, *variable, fmt::format("{} is no integer", name));
    }
  }

  Status expect_scalar(const std::string& name, int expected) {
    STENOD_ASSIGN_OR_RETURN(const int value, scalar(name, expected));
    if (value == expected) return {};
    return error_at(ErrorCode::kModelBadValue, *container_.find(name),
                    fmt::format("{} is {}, expected {}", name, value, expected));
  }

  /// How many layers `prefix` has: one more than the highest number. (A gap shows as a missing variable later.)
  Result<int> count_layers(const std::string& prefix) const {
    const std::string layer = prefix + "/layer_";
    int count = 0;
    for (auto it = container_.variables.lower_bound(layer);
         it != container_.variables.end() && it->first.starts_with(layer); ++it) {
      int index = 0;
      std::size_t at = layer.size();
      while (at < it->first.size() && it->first[at] >= '0' && it->first[at] <= '9' && index < kMaxLayers) {
        index = index * 10 + (it->first[at++] - '0');
      }
      if (at == layer.size()) continue;  // "layer_norm"
      if (index >= kMaxLayers) {
        return error_at(
            ErrorCode::kModelBadShape, it->second,
            fmt::format("{} belongs to layer {} or later, expected less than {}", it->first, index, kMaxLayers));
      }
      count = std::max(count, index + 1);
    }
    if (count == 0) return error(ErrorCode::kModelMissingVariable, fmt::format("{}0 is missing", layer));
    return count;
  }

  Status read_dims(WhisperDims& dims) {
    constexpr const char* kEmbeddings = "decoder/embeddings/weight";
    constexpr const char* kConv = "encoder/conv1/weight";
    STENOD_ASSIGN_OR_RETURN(const Ct2Variable* embeddings, find_with_rank(kEmbeddings, 2));
    STENOD_ASSIGN_OR_RETURN(const Ct2Variable* conv, find_with_rank(kConv, 3));
    const std::int64_t vocab_size = embeddings->shape[0];
    const std::int64_t d_model = embeddings->shape[1];
    if (d_model % kHeadSize != 0 || d_model > kMaxDModel || vocab_size > kMaxVocabSize) {
      return error_at(
          ErrorCode::kModelBadShape, *embeddings,
          fmt::format("{} is [{}], expected at most {} tokens of a multiple of {} up to {} values", kEmbeddings,
                      fmt::join(embeddings->shape, ", "), kMaxVocabSize, kHeadSize, kMaxDModel));
    }
    if (conv->shape[1] != 80 && conv->shape[1] != 128) {
      return error_at(ErrorCode::kModelBadShape, *conv,
                      fmt::format("{} is [{}], expected 80 or 128 mel bins in the second place", kConv,
                                  fmt::join(conv->shape, ", ")));
    }
    dims.num_mels = static_cast<int>(conv->shape[1]);
    dims.vocab_size = static_cast<int>(vocab_size);
    dims.d_model = static_cast<int>(d_model);
    dims.num_heads = dims.d_model / kHeadSize;
    dims.mlp_size = 4 * dims.d_model;
    STENOD_ASSIGN_OR_RETURN(dims.num_encoder_layers, count_layers("encoder"));
    STENOD_ASSIGN_OR_RETURN(dims.num_decoder_layers, count_layers("decoder"));
    return {};
  }

  /// What CTranslate2 can vary and Whisper doesn't.
  Status check_scalars(const WhisperDims& dims) {
    for (const char* side : {"encoder", "decoder"}) {
      STENOD_RETURN_IF_ERROR(expect_scalar(fmt::format("{}/num_heads", side), dims.num_heads));
      STENOD_RETURN_IF_ERROR(expect_scalar(fmt::format("{}/pre_norm", side), 1));
      STENOD_RETURN_IF_ERROR(expect_scalar(fmt::format("{}/activation", side), kGelu));
    }
    STENOD_RETURN_IF_ERROR(expect_scalar("decoder/alibi", 0));
    STENOD_RETURN_IF_ERROR(expect_scalar("decoder/scale_embeddings", 0));
    return expect_scalar("decoder/start_from_zero_embedding", 0);
  }

  Result<TensorView> float_or_int8(const std::string& name, std::initializer_list<std::int64_t> shape) {
    STENOD_ASSIGN_OR_RETURN(const Ct2Variable* variable, find(name));
    if (!std::equal(shape.begin(), shape.end(), variable->shape.begin(), variable->shape.end())) {
      return error_at(
          ErrorCode::kModelBadShape, *variable,
          fmt::format("{} is [{}], expected [{}]", name, fmt::join(variable->shape, ", "), fmt::join(shape, ", ")));
    }
    TensorView view;
    view.shape = variable->shape;
    view.bytes = variable->bytes;
    switch (variable->type) {
      case Ct2Type::kFloat32:
        view.type = DataType::kFloat32;
        break;
      case Ct2Type::kFloat16:
        view.type = DataType::kFloat16;
        break;
      case Ct2Type::kBFloat16:
        view.type = DataType::kBFloat16;
        break;
      case Ct2Type::kInt8:
        view.type = DataType::kInt8;
        break;
      case Ct2Type::kInt16:
      case Ct2Type::kInt32:
        return error_at(
            ErrorCode::kModelBadType, *variable,
            fmt::format("{} is of a 16 or 32 bit integer type, expected float32, float16, bfloat16 or int8; "
                        "convert the model again with another --quantization",
                        name));
    }
    return view;
  }

  /// A tensor that is never quantised: biases, norms, scales, positions. All its values must be finite; those of
  /// weights are checked where they are packed.
  Result<TensorView> floats(const std::string& name, std::initializer_list<std::int64_t> shape) {
    STENOD_ASSIGN_OR_RETURN(TensorView view, float_or_int8(name, shape));
    if (view.type == DataType::kInt8) {
      return error_at(ErrorCode::kModelBadType, *container_.find(name),
                      fmt::format("{} is int8, expected float32, float16 or bfloat16", name));
    }
    if (const auto index = first_non_finite(view)) {
      return error_at(ErrorCode::kModelBadValue, *container_.find(name),
                      fmt::format("value {} of {} is infinite or not a number", *index, name));
    }
    return view;
  }

  /// A weight, with its scales if it is int8.
  Result<TensorView> weight(const std::string& name, std::initializer_list<std::int64_t> shape) {
    STENOD_ASSIGN_OR_RETURN(TensorView view, float_or_int8(name, shape));
    if (view.type != DataType::kInt8) return view;
    const std::string scale_name = name + "_scale";
    STENOD_ASSIGN_OR_RETURN(const TensorView scales, floats(scale_name, {*shape.begin()}));
    const Ct2Variable& variable = *container_.find(scale_name);
    if (scales.type != DataType::kFloat32) {
      return error_at(ErrorCode::kModelBadType, variable,
                      fmt::format("{} is {}, expected float32", scale_name, data_type_name(scales.type)));
    }
    for (std::size_t i = 0; i < scales.bytes.size(); i += sizeof(float)) {
      float scale;
      std::memcpy(&scale, scales.bytes.data() + i, sizeof(scale));
      // Weights are value / scale: a scale so small that its inverse overflows is as bad as zero.
      if (!(scale > 0) || !std::isfinite(1 / scale)) {
        return error_at(
            ErrorCode::kModelBadValue, variable,
            fmt::format("value {} of {} is {}, expected a positive number", i / sizeof(float), scale_name, scale));
      }
    }
    view.scales = scales.bytes;
    return view;
  }

  Status linear(LinearView& out, const std::string& prefix, std::int64_t rows, std::int64_t columns) {
    STENOD_ASSIGN_OR_RETURN(out.weight, weight(prefix + "/weight", {rows, columns}));
    STENOD_ASSIGN_OR_RETURN(out.bias, floats(prefix + "/bias", {rows}));
    return {};
  }

  Status norm(LayerNormView& out, const std::string& prefix, std::int64_t size) {
    STENOD_ASSIGN_OR_RETURN(out.gamma, floats(prefix + "/gamma", {size}));
    STENOD_ASSIGN_OR_RETURN(out.beta, floats(prefix + "/beta", {size}));
    return {};
  }

  /// The parts that encoder and decoder layers share.
  template <typename Layer>
  Status self_attention_and_mlp(Layer& layer, const std::string& prefix, const WhisperDims& dims) {
    const std::int64_t d = dims.d_model;
    STENOD_RETURN_IF_ERROR(norm(layer.self_attention_norm, prefix + "/self_attention/layer_norm", d));
    STENOD_RETURN_IF_ERROR(linear(layer.qkv.emplace_back(), prefix + "/self_attention/linear_0", 3 * d, d));
    STENOD_RETURN_IF_ERROR(linear(layer.self_attention_output, prefix + "/self_attention/linear_1", d, d));
    STENOD_RETURN_IF_ERROR(norm(layer.mlp_norm, prefix + "/ffn/layer_norm", d));
    STENOD_RETURN_IF_ERROR(linear(layer.mlp_up, prefix + "/ffn/linear_0", dims.mlp_size, d));
    return linear(layer.mlp_down, prefix + "/ffn/linear_1", d, dims.mlp_size);
  }

  Status read_encoder(WhisperWeights& w) {
    const std::int64_t d = w.dims.d_model;
    STENOD_ASSIGN_OR_RETURN(w.conv1_weight, weight("encoder/conv1/weight", {d, w.dims.num_mels, kConvWidth}));
    STENOD_ASSIGN_OR_RETURN(w.conv1_bias, floats("encoder/conv1/bias", {d}));
    STENOD_ASSIGN_OR_RETURN(w.conv2_weight, weight("encoder/conv2/weight", {d, d, kConvWidth}));
    STENOD_ASSIGN_OR_RETURN(w.conv2_bias, floats("encoder/conv2/bias", {d}));
    STENOD_ASSIGN_OR_RETURN(w.encoder_positions,
                            floats("encoder/position_encodings/encodings", {w.dims.max_encoder_frames, d}));
    for (int i = 0; i < w.dims.num_encoder_layers; ++i) {
      EncoderLayerView& layer = w.encoder_layers.emplace_back();
      STENOD_RETURN_IF_ERROR(self_attention_and_mlp(layer, fmt::format("encoder/layer_{}", i), w.dims));
    }
    return norm(w.encoder_norm, "encoder/layer_norm", d);
  }

  Status read_decoder(WhisperWeights& w) {
    const std::int64_t d = w.dims.d_model;
    STENOD_ASSIGN_OR_RETURN(w.token_embedding, weight("decoder/embeddings/weight", {w.dims.vocab_size, d}));
    STENOD_ASSIGN_OR_RETURN(w.decoder_positions,
                            floats("decoder/position_encodings/encodings", {w.dims.max_text_positions, d}));
    STENOD_RETURN_IF_ERROR(check_projection(w));
    for (int i = 0; i < w.dims.num_decoder_layers; ++i) {
      const std::string prefix = fmt::format("decoder/layer_{}", i);
      DecoderLayerView& layer = w.decoder_layers.emplace_back();
      STENOD_RETURN_IF_ERROR(self_attention_and_mlp(layer, prefix, w.dims));
      STENOD_RETURN_IF_ERROR(norm(layer.cross_attention_norm, prefix + "/attention/layer_norm", d));
      STENOD_RETURN_IF_ERROR(linear(layer.cross_query, prefix + "/attention/linear_0", d, d));
      STENOD_RETURN_IF_ERROR(linear(layer.cross_key_value.emplace_back(), prefix + "/attention/linear_1", 2 * d, d));
      STENOD_RETURN_IF_ERROR(linear(layer.cross_output, prefix + "/attention/linear_2", d, d));
    }
    return norm(w.decoder_norm, "decoder/layer_norm", d);
  }

  /// Whisper's output projection is the token embedding. A file may hold it twice, but not differently.
  Status check_projection(const WhisperWeights& w) {
    const std::string name = "decoder/projection/weight";
    if (container_.find(name) == nullptr) return {};
    STENOD_ASSIGN_OR_RETURN(const TensorView projection, weight(name, {w.dims.vocab_size, w.dims.d_model}));
    const auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
      return a.size() == b.size() && (a.data() == b.data() || std::equal(a.begin(), a.end(), b.begin()));
    };
    if (projection.type == w.token_embedding.type && same(projection.bytes, w.token_embedding.bytes) &&
        same(projection.scales, w.token_embedding.scales)) {
      return {};
    }
    return error_at(ErrorCode::kModelBadValue, *container_.find(name),
                    fmt::format("{} differs from decoder/embeddings/weight, expected one matrix for both", name));
  }

  /// A weight that nothing reads would mean another architecture, and quietly wrong text. Scalars that are not known
  /// here are allowed: converters add new ones, with defaults.
  Status check_nothing_left() const {
    for (const auto& [name, variable] : container_.variables) {
      if (variable.shape.empty() || used_.contains(&variable)) continue;
      if (name == "decoder/alignment_heads" || name == "decoder/alignment_layer") continue;
      return error_at(ErrorCode::kModelUnknownVariable, variable, fmt::format("{} is not a part of Whisper", name));
    }
    return {};
  }

  const Ct2Container& container_;
  std::string file_;
  std::set<const Ct2Variable*> used_;
};

/// A file of the folder that must be there.
template <typename T>
Result<T> or_missing(Result<T> result, const std::filesystem::path& file) {
  if (result || result.error().code != ErrorCode::kNotFound) return result;
  return Error{ErrorCode::kModelMissingFile,
               fmt::format("{}: there is no such file; a folder in faster-whisper's format has model.bin, config.json, "
                           "tokenizer.json",
                           file.string()),
               file.string()};
}

}  // namespace

Result<WhisperWeights> parse_ctranslate2(std::span<const std::byte> model_bin, std::string_view config,
                                         std::optional<std::string_view> preprocessor_config,
                                         const std::filesystem::path& folder) {
  const std::string file = (folder / "model.bin").string();
  STENOD_ASSIGN_OR_RETURN(const Ct2Container container, parse_ct2_container(model_bin, file));
  STENOD_ASSIGN_OR_RETURN(WhisperWeights weights, Reader(container, file).read());
  STENOD_ASSIGN_OR_RETURN(weights.generation, parse_whisper_config(config, weights.dims, folder / "config.json"));
  if (preprocessor_config) {
    STENOD_RETURN_IF_ERROR(
        check_preprocessor_config(*preprocessor_config, weights.dims.num_mels, folder / "preprocessor_config.json"));
  }
  return weights;
}

Result<WhisperWeights> read_ctranslate2(const std::filesystem::path& folder) {
  const auto model_path = folder / "model.bin";
  STENOD_ASSIGN_OR_RETURN(MappedFile mapped, or_missing(MappedFile::open(model_path), model_path));
  const auto config_path = folder / "config.json";
  STENOD_ASSIGN_OR_RETURN(const std::string config, or_missing(read_file(config_path, kMaxJsonSize), config_path));
  const auto preprocessor = read_file(folder / "preprocessor_config.json", kMaxJsonSize);
  if (!preprocessor && preprocessor.error().code != ErrorCode::kNotFound) return preprocessor.error();
  const auto storage = std::make_shared<std::vector<MappedFile>>();
  storage->push_back(std::move(mapped));
  STENOD_ASSIGN_OR_RETURN(
      WhisperWeights weights,
      parse_ctranslate2(storage->front().bytes(), config,
                        preprocessor ? std::optional<std::string_view>(*preprocessor) : std::nullopt, folder));
  weights.storage = storage;
  return weights;
}

}  // namespace stenod::models
