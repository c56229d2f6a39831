#include "models/whisper_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "models/named_tensors.h"

namespace stenod::models {
namespace {

Error bad_config(const std::filesystem::path& file, const std::string& what) {
  return {ErrorCode::kModelBadConfig, fmt::format("{}: {}", file.string(), what), file.string()};
}

Result<json::object> parse_object(std::string_view text, const std::filesystem::path& file) {
  auto value = parse_json(text);
  if (!value) {
    return Error{value.error().code, fmt::format("{}: not valid JSON: {}", file.string(), value.error().message),
                 file.string()};
  }
  if (!value->is_object()) return bad_config(file, "expected a JSON object");
  return std::move(value->get_object());
}

/// The array of that name; nullptr if it is missing or null.
Result<const json::array*> find_array(const json::object& object, std::string_view key,
                                      const std::filesystem::path& file) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (!value->is_array()) return bad_config(file, fmt::format("{} is no array", key));
  return &value->get_array();
}

/// `value` as an integer in [0, limit).
std::optional<int> index_below(const json::value& value, int limit) {
  const std::int64_t* number = value.if_int64();
  if (number == nullptr || *number < 0 || *number >= limit) return std::nullopt;
  return static_cast<int>(*number);
}

Result<std::vector<int>> parse_tokens(const json::object& object, std::string_view key, int vocab_size,
                                      const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::array* array, find_array(object, key, file));
  std::vector<int> tokens;
  if (array == nullptr) return tokens;
  for (const json::value& value : *array) {
    const auto token = index_below(value, vocab_size);
    if (!token) {
      return bad_config(file, fmt::format("{}[{}] is {}, expected a token number from 0 to {}", key, tokens.size(),
                                          json::serialize(value), vocab_size - 1));
    }
    tokens.push_back(*token);
  }
  return tokens;
}

/// `other_layers`: heads of layers that the decoder lacks are passed over instead of refused.
Result<std::vector<std::pair<int, int>>> parse_alignment_heads(const json::object& object, const WhisperDims& dims,
                                                               const std::filesystem::path& file,
                                                               bool other_layers = false) {
  STENOD_ASSIGN_OR_RETURN(const json::array* array, find_array(object, "alignment_heads", file));
  std::vector<std::pair<int, int>> heads;
  if (array != nullptr) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      const json::value& value = (*array)[i];
      const json::array* pair = value.if_array();
      const bool is_pair = pair != nullptr && pair->size() == 2;
      const auto layer =
          is_pair ? index_below((*pair)[0], other_layers ? kMaxLayers : dims.num_decoder_layers) : std::nullopt;
      const auto head = is_pair ? index_below((*pair)[1], dims.num_heads) : std::nullopt;
      if (!layer || !head) {
        return bad_config(file, fmt::format("alignment_heads[{}] is {}, expected [layer 0 to {}, head 0 to {}]", i,
                                            json::serialize(value), dims.num_decoder_layers - 1, dims.num_heads - 1));
      }
      if (std::find(heads.begin(), heads.end(), std::pair(*layer, *head)) != heads.end()) {
        return bad_config(file, fmt::format("alignment_heads names {} twice", json::serialize(value)));
      }
      if (*layer < dims.num_decoder_layers) heads.emplace_back(*layer, *head);
    }
  }
  return heads.empty() ? default_alignment_heads(dims) : heads;
}

/// An integer member; `fallback` where it is missing. What is no integer, or out of the range of int, is an error.
Result<int> parse_size(const json::object& object, std::string_view key, std::optional<int> fallback,
                       const std::filesystem::path& file) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr && fallback) return *fallback;
  const auto size = value != nullptr ? index_below(*value, INT_MAX) : std::nullopt;
  if (size) return *size;
  return bad_config(file, fmt::format("{} is {}, expected a size", key,
                                      value != nullptr ? json::serialize(*value).substr(0, 100) : "missing"));
}

Status expect(const json::object& object, std::string_view key, const json::value& expected,
              const std::filesystem::path& file) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || *value == expected) return {};
  return bad_config(file, fmt::format("{} is {}, expected {}", key, json::serialize(*value).substr(0, 100),
                                      json::serialize(expected)));
}

}  // namespace

Result<WhisperGenerationConfig> parse_whisper_config(std::string_view text, const WhisperDims& dims,
                                                     const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::object object, parse_object(text, file));
  WhisperGenerationConfig config;
  STENOD_ASSIGN_OR_RETURN(config.suppress_tokens, parse_tokens(object, "suppress_ids", dims.vocab_size, file));
  STENOD_ASSIGN_OR_RETURN(config.suppress_begin_tokens,
                          parse_tokens(object, "suppress_ids_begin", dims.vocab_size, file));
  STENOD_ASSIGN_OR_RETURN(config.alignment_heads, parse_alignment_heads(object, dims, file));
  return config;
}

Result<WhisperGenerationConfig> parse_huggingface_generation(std::optional<std::string_view> generation_config,
                                                             std::string_view config, const WhisperDims& dims,
                                                             const std::filesystem::path& folder) {
  struct Source {
    json::object object;
    std::filesystem::path file;
  };
  std::vector<Source> sources;
  if (generation_config) {
    const auto file = folder / "generation_config.json";
    STENOD_ASSIGN_OR_RETURN(json::object object, parse_object(*generation_config, file));
    sources.push_back({std::move(object), file});
  }
  STENOD_ASSIGN_OR_RETURN(json::object object, parse_object(config, folder / "config.json"));
  sources.push_back({std::move(object), folder / "config.json"});
  const auto source_of = [&](std::string_view key) -> const Source& {
    const json::value* first = sources.front().object.if_contains(key);
    return first != nullptr && !first->is_null() ? sources.front() : sources.back();
  };
  WhisperGenerationConfig parsed;
  const Source& suppressed = source_of("suppress_tokens");
  STENOD_ASSIGN_OR_RETURN(parsed.suppress_tokens,
                          parse_tokens(suppressed.object, "suppress_tokens", dims.vocab_size, suppressed.file));
  const Source& begin = source_of("begin_suppress_tokens");
  STENOD_ASSIGN_OR_RETURN(parsed.suppress_begin_tokens,
                          parse_tokens(begin.object, "begin_suppress_tokens", dims.vocab_size, begin.file));
  const Source& heads = source_of("alignment_heads");
  STENOD_ASSIGN_OR_RETURN(parsed.alignment_heads, parse_alignment_heads(heads.object, dims, heads.file, true));
  return parsed;
}

Result<WhisperDims> parse_huggingface_dims(std::string_view config, const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::object object, parse_object(config, file));
  STENOD_RETURN_IF_ERROR(expect(object, "model_type", "whisper", file));
  STENOD_RETURN_IF_ERROR(expect(object, "activation_function", "gelu", file));
  STENOD_RETURN_IF_ERROR(expect(object, "scale_embedding", false, file));
  WhisperDims dims;
  STENOD_ASSIGN_OR_RETURN(dims.d_model, parse_size(object, "d_model", std::nullopt, file));
  STENOD_ASSIGN_OR_RETURN(dims.num_encoder_layers, parse_size(object, "encoder_layers", std::nullopt, file));
  STENOD_ASSIGN_OR_RETURN(dims.num_decoder_layers, parse_size(object, "decoder_layers", std::nullopt, file));
  STENOD_ASSIGN_OR_RETURN(dims.num_heads, parse_size(object, "encoder_attention_heads", std::nullopt, file));
  STENOD_ASSIGN_OR_RETURN(dims.vocab_size, parse_size(object, "vocab_size", std::nullopt, file));
  STENOD_ASSIGN_OR_RETURN(dims.num_mels, parse_size(object, "num_mel_bins", dims.num_mels, file));
  STENOD_ASSIGN_OR_RETURN(dims.max_encoder_frames,
                          parse_size(object, "max_source_positions", dims.max_encoder_frames, file));
  STENOD_ASSIGN_OR_RETURN(dims.max_text_positions,
                          parse_size(object, "max_target_positions", dims.max_text_positions, file));
  STENOD_RETURN_IF_ERROR(expect(object, "decoder_attention_heads", dims.num_heads, file));
  STENOD_ASSIGN_OR_RETURN(dims.mlp_size,
                          parse_size(object, "encoder_ffn_dim", 4 * std::min(dims.d_model, kMaxDModel), file));
  STENOD_RETURN_IF_ERROR(expect(object, "decoder_ffn_dim", dims.mlp_size, file));
  STENOD_RETURN_IF_ERROR(check_dims(dims, file.string()));
  return dims;
}

std::vector<std::pair<int, int>> default_alignment_heads(const WhisperDims& dims) {
  std::vector<std::pair<int, int>> heads;
  for (int layer = dims.num_decoder_layers / 2; layer < dims.num_decoder_layers; ++layer) {
    for (int head = 0; head < dims.num_heads; ++head) heads.emplace_back(layer, head);
  }
  return heads;
}

Status check_preprocessor_config(std::string_view text, int num_mels, const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::object object, parse_object(text, file));
  const json::value* size = object.if_contains("feature_size");
  if (size == nullptr) return {};
  if (size->if_int64() == nullptr || *size->if_int64() != num_mels) {
    return bad_config(
        file, fmt::format("feature_size is {}, but the weights take {} mel bins", json::serialize(*size), num_mels));
  }
  return {};
}

}  // namespace stenod::models
