#include "models/testing/generated_forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "models/ctranslate2_container.h"
#include "models/data_type.h"

namespace stenod::models::testing {
namespace {

using Kind = GeneratedField::Kind;

/// Which parts CTranslate2's name stands for, one after the other; an empty name where there is no such part.
std::vector<std::string> names_of(std::string_view ct2_name, const WhisperNames& names) {
  const bool is_encoder = ct2_name.starts_with("encoder/");
  const std::string side(is_encoder ? names.encoder : names.decoder);
  const std::string_view rest = ct2_name.substr(8);
  const std::size_t slash = rest.rfind('/');
  const std::string_view part = rest.substr(0, slash), kind = rest.substr(slash + 1);
  const std::string end = kind == "weight" || kind == "gamma" ? ".weight" : ".bias";
  if (part == "position_encodings") return {side + std::string(names.positions)};
  if (part == "embeddings") return {side + std::string(names.token_embedding)};
  if (part == "layer_norm") return {side + std::string(is_encoder ? names.encoder_norm : names.decoder_norm) + end};
  if (part.starts_with("conv")) return {side + std::string(part) + end};
  const std::size_t end_of_layer = part.find('/');
  const std::string layer =
      fmt::format("{}{}{}.", side, names.layers, part.substr(6, end_of_layer - 6));  // behind "layer_"
  const std::string_view inner = part.substr(end_of_layer + 1);
  const std::string key_bias_end = end == ".bias" ? "" : end;
  const auto name = [&](std::string_view first, std::string_view second, const std::string& ending) {
    return ending.empty() ? std::string() : fmt::format("{}{}{}{}", layer, first, second, ending);
  };
  if (inner == "self_attention/layer_norm") return {name(names.self_attention_norm, "", end)};
  if (inner == "self_attention/linear_0") {
    return {name(names.self_attention, names.query, end), name(names.self_attention, names.key, key_bias_end),
            name(names.self_attention, names.value, end)};
  }
  if (inner == "self_attention/linear_1") return {name(names.self_attention, names.output, end)};
  if (inner == "attention/layer_norm") return {name(names.cross_attention_norm, "", end)};
  if (inner == "attention/linear_0") return {name(names.cross_attention, names.query, end)};
  if (inner == "attention/linear_1") {
    return {name(names.cross_attention, names.key, key_bias_end), name(names.cross_attention, names.value, end)};
  }
  if (inner == "attention/linear_2") return {name(names.cross_attention, names.output, end)};
  if (inner == "ffn/layer_norm") return {name(names.mlp_norm, "", end)};
  return {name(inner == "ffn/linear_0" ? names.mlp_up : names.mlp_down, "", end)};
}

/// Random blocks whose scales are small positive numbers.
std::vector<std::byte> random_blocks(DataType type, std::size_t num_values, std::mt19937& random) {
  std::vector<std::byte> bytes(data_bytes(type, num_values));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() >> 24);
  const std::size_t block = block_size(type).bytes;
  // Where the float16 scales lie: in front, but for three of the types with a K.
  const std::size_t scale = type == DataType::kQ2K   ? 80
                            : type == DataType::kQ3K ? 108
                            : type == DataType::kQ6K ? 208
                                                     : 0;
  const bool has_two = type == DataType::kQ4_1 || type == DataType::kQ5_1 || type == DataType::kQ2K ||
                       type == DataType::kQ4K || type == DataType::kQ5K;
  const bool has_k = block_size(type).values == 256;
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    for (std::size_t half = scale; half < scale + (has_two ? 4 : 2); half += 2) {
      bytes[at + half + 1] = static_cast<std::byte>(has_k ? 0x04 : 0x14);  // from 2^-14 or 2^-10 on
    }
  }
  return bytes;
}

std::string_view safetensors_type(DataType type) {
  return type == DataType::kFloat32 ? "F32" : type == DataType::kFloat16 ? "F16" : "BF16";
}

std::int32_t ggml_type(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return 0;
    case DataType::kFloat16:
      return 1;
    case DataType::kBFloat16:
      return 30;
    case DataType::kQ4_0:
      return 2;
    case DataType::kQ4_1:
      return 3;
    case DataType::kQ5_0:
      return 6;
    case DataType::kQ5_1:
      return 7;
    case DataType::kQ8_0:
      return 8;
    case DataType::kQ2K:
      return 10;
    case DataType::kQ3K:
      return 11;
    case DataType::kQ4K:
      return 12;
    case DataType::kQ5K:
      return 13;
    case DataType::kQ6K:
      return 14;
    case DataType::kInt8:
      break;
  }
  return -1;
}

/// Writes a file and remembers what its stretches mean.
class GgmlWriter {
 public:
  void number(Kind kind, std::int32_t value) { raw(kind, std::as_bytes(std::span(&value, 1))); }
  void text(std::string_view value) { raw(Kind::kText, std::as_bytes(std::span(value))); }
  void raw(Kind kind, std::span<const std::byte> bytes) {
    file_.fields.push_back({kind, current_, file_.bytes.size(), bytes.size()});
    file_.bytes.insert(file_.bytes.end(), bytes.begin(), bytes.end());
  }
  void begin(const std::string& tensor) { current_ = tensor; }
  GeneratedFile finish() && { return std::move(file_); }

 private:
  GeneratedFile file_;
  std::string current_;
};

Status write_text(const std::filesystem::path& path, std::string_view text) {
  return write_file_atomic(path, std::as_bytes(std::span(text)));
}

}  // namespace

std::vector<GeneratedTensor> generate_tensors(const GeneratedModel& model, const WhisperNames& names) {
  GeneratedModel plain = model;
  plain.type = DataType::kFloat32;
  const GeneratedFile file = generate_model_bin(plain);
  const auto container = parse_ct2_container(file.bytes, "generated");
  std::mt19937 random(model.seed);
  std::vector<GeneratedTensor> tensors;
  for (const auto& [ct2_name, variable] : container->variables) {
    if (variable.shape.empty()) continue;
    const std::vector<std::string> parts = names_of(ct2_name, names);
    std::vector<std::int64_t> shape = variable.shape;
    shape[0] /= static_cast<std::int64_t>(parts.size());
    std::vector<float> all(variable.bytes.size() / sizeof(float));
    std::memcpy(all.data(), variable.bytes.data(), variable.bytes.size());
    const std::size_t size = all.size() / parts.size();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) continue;
      const std::vector<float> values(all.begin() + static_cast<std::ptrdiff_t>(i * size),
                                      all.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
      const bool is_matrix = shape.size() == 2 && !ct2_name.ends_with("/encodings");
      GeneratedTensor& tensor = tensors.emplace_back(GeneratedTensor{parts[i], shape, model.type, {}});
      if (!is_float(model.type)) {
        if (is_matrix) {
          tensor.bytes = random_blocks(model.type, size, random);
          continue;
        }
        tensor.type = shape.size() == 3 ? DataType::kFloat16 : DataType::kFloat32;
      }
      tensor.bytes = encode_floats(values, tensor.type);
    }
  }
  return tensors;
}

std::vector<std::byte> join_safetensors(std::span<const GeneratedTensor> tensors) {
  json::object header;
  std::vector<std::byte> data;
  for (const GeneratedTensor& tensor : tensors) {
    const std::size_t begin = data.size();
    data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    header[tensor.name] = {{"dtype", safetensors_type(tensor.type)},
                           {"shape", json::value_from(tensor.shape)},
                           {"data_offsets", {begin, data.size()}}};
  }
  return join_safetensors(json::serialize(header), data);
}

std::vector<std::byte> join_safetensors(std::string_view header, std::span<const std::byte> data) {
  const std::uint64_t size = header.size();
  std::vector<std::byte> file(sizeof(size) + header.size());
  std::memcpy(file.data(), &size, sizeof(size));
  const auto text = std::as_bytes(std::span(header));
  std::copy(text.begin(), text.end(), file.begin() + sizeof(size));
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

std::string generate_huggingface_config(const GeneratedModel& model) {
  const int heads = model.d_model / 64;
  return json::serialize(json::object{{"model_type", "whisper"},
                                      {"d_model", model.d_model},
                                      {"encoder_layers", model.num_encoder_layers},
                                      {"decoder_layers", model.num_decoder_layers},
                                      {"encoder_attention_heads", heads},
                                      {"decoder_attention_heads", heads},
                                      {"num_mel_bins", model.num_mels},
                                      {"vocab_size", model.vocab_size}});
}

GeneratedFile join_ggml(const GeneratedModel& model, std::span<const GeneratedTensor> tensors) {
  GgmlWriter out;
  out.number(Kind::kVersion, 0x67676d6c);
  const int d = model.d_model;
  const int quantised = is_float(model.type) ? 0 : 2000;
  for (const int size : {model.vocab_size, 1500, d, d / 64, model.num_encoder_layers, 448, d, d / 64,
                         model.num_decoder_layers, model.num_mels, quantised}) {
    out.number(Kind::kDim, size);
  }
  out.number(Kind::kDim, model.num_mels);
  out.number(Kind::kDim, 201);
  out.raw(Kind::kData, std::vector<std::byte>(static_cast<std::size_t>(model.num_mels) * 201 * sizeof(float)));
  const int num_text = std::max(1, num_text_tokens(model.vocab_size));
  out.number(Kind::kCount, num_text);
  for (int i = 0; i < num_text; ++i) {
    std::string token(1, static_cast<char>(i));
    if (i >= 256) token = {static_cast<char>((i - 256) / 256), static_cast<char>(i)};
    out.number(Kind::kLength, static_cast<std::int32_t>(token.size()));
    out.text(token);
  }
  for (const GeneratedTensor& tensor : tensors) {
    out.begin(tensor.name);
    std::vector<std::int64_t> shape = tensor.shape;
    if (tensor.name.ends_with("conv1.bias") || tensor.name.ends_with("conv2.bias")) shape.push_back(1);
    out.number(Kind::kRank, static_cast<std::int32_t>(shape.size()));
    out.number(Kind::kLength, static_cast<std::int32_t>(tensor.name.size()));
    out.number(Kind::kType, ggml_type(tensor.type));
    for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) out.number(Kind::kDim, static_cast<std::int32_t>(*dim));
    out.text(tensor.name);
    out.raw(Kind::kData, tensor.bytes);
  }
  return std::move(out).finish();
}

Status write_generated_huggingface(const std::filesystem::path& folder, const GeneratedModel& model) {
  // The tokenizer is the same as faster-whisper's.
  STENOD_RETURN_IF_ERROR(write_generated_model(folder, model));
  std::filesystem::remove(folder / "model.bin");
  std::filesystem::remove(folder / "vocabulary.txt");
  STENOD_RETURN_IF_ERROR(write_text(folder / "config.json", generate_huggingface_config(model)));
  return write_file_atomic(folder / "model.safetensors", join_safetensors(generate_tensors(model, kHuggingFaceNames)));
}

Status write_generated_ggml(const std::filesystem::path& file, const GeneratedModel& model) {
  return write_file_atomic(file, join_ggml(model, generate_tensors(model, kOpenAiNames)).bytes);
}

}  // namespace stenod::models::testing
