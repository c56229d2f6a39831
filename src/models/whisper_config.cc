#include "models/whisper_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

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

Result<std::vector<std::pair<int, int>>> parse_alignment_heads(const json::object& object, const WhisperDims& dims,
                                                               const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::array* array, find_array(object, "alignment_heads", file));
  std::vector<std::pair<int, int>> heads;
  if (array != nullptr) {
    for (const json::value& value : *array) {
      const json::array* pair = value.if_array();
      const bool is_pair = pair != nullptr && pair->size() == 2;
      const auto layer = is_pair ? index_below((*pair)[0], dims.num_decoder_layers) : std::nullopt;
      const auto head = is_pair ? index_below((*pair)[1], dims.num_heads) : std::nullopt;
      if (!layer || !head) {
        return bad_config(file,
                          fmt::format("alignment_heads[{}] is {}, expected [layer 0 to {}, head 0 to {}]", heads.size(),
                                      json::serialize(value), dims.num_decoder_layers - 1, dims.num_heads - 1));
      }
      if (std::find(heads.begin(), heads.end(), std::pair(*layer, *head)) != heads.end()) {
        return bad_config(file, fmt::format("alignment_heads names {} twice", json::serialize(value)));
      }
      heads.emplace_back(*layer, *head);
    }
  }
  if (heads.empty()) {
    for (int layer = dims.num_decoder_layers / 2; layer < dims.num_decoder_layers; ++layer) {
      for (int head = 0; head < dims.num_heads; ++head) heads.emplace_back(layer, head);
    }
  }
  return heads;
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

Status check_preprocessor_config(std::string_view text, int num_mels, const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const json::object object, parse_object(text, file));
  const json::value* size = object.if_contains("feature_size");
  if (size == nullptr) return {};
  if (size->if_int64() == nullptr || *size->if_int64() != num_mels) {
    return bad_config(file, fmt::format("feature_size is {}, but the weights of model.bin take {} mel bins",
                                        json::serialize(*size), num_mels));
  }
  return {};
}

}  // namespace stenod::models
