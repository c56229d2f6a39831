#include "models/testing/generated_model.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "base/file.h"
#include "base/json.h"

namespace stenod::models::testing {
namespace {

using Kind = GeneratedField::Kind;

constexpr int kMultilingualVocabSize = 51865;
constexpr int kLargeV3VocabSize = 51866;
constexpr int kNumTimestamps = 1501;
constexpr const char* kLanguages[] = {
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt",  "tr", "pl", "ca", "nl", "ar", "sv", "it", "id",
    "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro",  "da", "hu", "ta", "no", "th", "ur", "hr", "bg",
    "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv",  "bn", "sr", "az", "sl", "kn", "et", "mk", "br",
    "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw",  "gl", "mr", "pa", "si", "km", "sn", "yo", "so",
    "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi",  "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt",
    "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue"};

/// The special tokens without timestamps, in order.
std::vector<std::string> special_tokens(int vocab_size) {
  std::vector<std::string> tokens = {"<|endoftext|>", "<|startoftranscript|>"};
  const std::size_t num_languages = vocab_size >= kLargeV3VocabSize ? 100 : 99;
  for (std::size_t i = 0; i < num_languages; ++i) tokens.push_back(fmt::format("<|{}|>", kLanguages[i]));
  for (const char* name : {"translate", "transcribe", "startoflm", "startofprev", "nocaptions", "notimestamps"}) {
    tokens.push_back(fmt::format("<|{}|>", name));
  }
  return tokens;
}

std::uint8_t type_number(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return 0;
    case DataType::kInt8:
      return 1;
    case DataType::kFloat16:
      return 4;
    case DataType::kBFloat16:
      return 5;
    default:
      break;  // CTranslate2 has no others
  }
  return 0;
}

/// Rounds towards zero; what is too small for a normal half becomes 0. `value` is below 65504.
std::uint16_t to_float16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(exponent) << 10 | (bits >> 13 & 0x3ff));
}

std::uint16_t to_bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<std::uint16_t>(bits >> 16);
}

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto* data = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof(T));
}

/// Collects the variables, so that their number is known before the first is written.
class Generator {
 public:
  explicit Generator(const GeneratedModel& model) : model_(model), random_(model.seed) {}

  GeneratedFile generate() {
    const auto d = static_cast<std::uint32_t>(model_.d_model);
    const auto num_heads = static_cast<std::int16_t>(model_.d_model / 64);
    scalar<std::int8_t>("decoder/activation", 1, 3);
    scalar<std::int8_t>("decoder/alibi", 1, 0);
    scalar<std::int16_t>("decoder/alignment_heads", 2, 1);
    scalar<std::int16_t>("decoder/alignment_layer", 2, -1);
    weight("decoder/embeddings/weight", {static_cast<std::uint32_t>(model_.vocab_size), d}, 0.05F);
    norm("decoder/layer_norm", d);
    for (int i = 0; i < model_.num_decoder_layers; ++i) layer(fmt::format("decoder/layer_{}", i), d, true);
    scalar<std::int16_t>("decoder/num_heads", 2, num_heads);
    floats("decoder/position_encodings/encodings", {448, d}, random_values(448 * d, 0.02F));
    scalar<std::int8_t>("decoder/pre_norm", 1, 1);
    scalar<std::int8_t>("decoder/scale_embeddings", 1, 0);
    scalar<std::int8_t>("decoder/start_from_zero_embedding", 1, 0);
    const auto num_mels = static_cast<std::uint32_t>(model_.num_mels);
    floats("encoder/conv1/bias", {d}, random_values(d, 0.1F));
    weight("encoder/conv1/weight", {d, num_mels, 3});
    floats("encoder/conv2/bias", {d}, random_values(d, 0.1F));
    weight("encoder/conv2/weight", {d, d, 3});
    norm("encoder/layer_norm", d);
    for (int i = 0; i < model_.num_encoder_layers; ++i) layer(fmt::format("encoder/layer_{}", i), d, false);
    scalar<std::int16_t>("encoder/num_heads", 2, num_heads);
    floats("encoder/position_encodings/encodings", {1500, d}, sinusoids(1500, d));

    Ct2Writer writer;
    writer.begin_variables(static_cast<std::uint32_t>(variables_.size()));
    for (const auto& v : variables_) writer.variable(v.name, v.shape, v.type, v.data);
    writer.begin_aliases(1);
    writer.alias("decoder/projection/weight", "decoder/embeddings/weight");
    return std::move(writer).finish();
  }

 private:
  struct Variable {
    std::string name;
    std::vector<std::uint32_t> shape;
    std::uint8_t type;
    std::vector<std::byte> data;
  };

  /// Uniform in [-limit, limit); by hand, because the standard leaves distributions to the library.
  std::vector<float> random_values(std::size_t count, float limit) {
    std::vector<float> values(count);
    for (float& value : values) value = limit * (static_cast<float>(random_() >> 8) * 0x1p-23F - 1.0F);
    return values;
  }

  static std::vector<float> sinusoids(std::uint32_t length, std::uint32_t d) {
    std::vector<float> values;
    for (std::uint32_t t = 0; t < length; ++t) {
      for (std::uint32_t i = 0; i < d; ++i) {
        const double angle = t * std::exp(-std::log(10000.0) * (i % (d / 2)) / (d / 2 - 1));
        values.push_back(static_cast<float>(i < d / 2 ? std::sin(angle) : std::cos(angle)));
      }
    }
    return values;
  }

  template <typename T>
  void scalar(const std::string& name, std::uint8_t type, T value) {
    std::vector<std::byte> data;
    append(data, value);
    variables_.push_back({name, {}, type, std::move(data)});
  }

  void floats(const std::string& name, std::vector<std::uint32_t> shape, const std::vector<float>& values) {
    const DataType type = model_.type == DataType::kInt8 ? DataType::kFloat32 : model_.type;
    variables_.push_back({name, std::move(shape), type_number(type), encode_floats(values, type)});
  }

  /// Uniform random with a variance that keeps activations' magnitude, unless a `limit` is given.
  void weight(const std::string& name, std::vector<std::uint32_t> shape, float limit = 0) {
    std::size_t row_size = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) row_size *= shape[i];
    if (limit == 0) limit = 1 / std::sqrt(static_cast<float>(row_size));
    const auto values = random_values(shape[0] * row_size, limit);
    if (model_.type != DataType::kInt8) return floats(name, std::move(shape), values);
    std::vector<std::byte> data;
    std::vector<float> scales;
    for (std::size_t row = 0; row < shape[0]; ++row) {
      float largest = 0;
      for (std::size_t i = 0; i < row_size; ++i) largest = std::max(largest, std::abs(values[row * row_size + i]));
      scales.push_back(largest == 0 ? 1 : 127 / largest);
      for (std::size_t i = 0; i < row_size; ++i) {
        append(data, static_cast<std::int8_t>(std::lround(values[row * row_size + i] * scales.back())));
      }
    }
    const std::uint32_t rows = shape[0];
    variables_.push_back({name, std::move(shape), type_number(DataType::kInt8), std::move(data)});
    floats(name + "_scale", {rows}, scales);
  }

  void linear(const std::string& prefix, std::uint32_t rows, std::uint32_t columns,
              const std::function<void(std::vector<float>&)>& change_bias = {}) {
    auto bias = random_values(rows, 0.1F);
    if (change_bias) change_bias(bias);
    floats(prefix + "/bias", {rows}, bias);
    weight(prefix + "/weight", {rows, columns});
  }

  void norm(const std::string& prefix, std::uint32_t size) {
    floats(prefix + "/beta", {size}, random_values(size, 0.1F));
    auto gamma = random_values(size, 0.1F);
    for (float& value : gamma) value += 1;
    floats(prefix + "/gamma", {size}, gamma);
  }

  void layer(const std::string& prefix, std::uint32_t d, bool is_decoder) {
    const auto no_key_bias = [d](std::uint32_t first) {
      return [d, first](std::vector<float>& bias) { std::fill_n(bias.begin() + first, d, 0.0F); };
    };
    if (is_decoder) {
      norm(prefix + "/attention/layer_norm", d);
      linear(prefix + "/attention/linear_0", d, d);
      linear(prefix + "/attention/linear_1", 2 * d, d, no_key_bias(0));
      linear(prefix + "/attention/linear_2", d, d);
    }
    norm(prefix + "/ffn/layer_norm", d);
    linear(prefix + "/ffn/linear_0", 4 * d, d);
    linear(prefix + "/ffn/linear_1", d, 4 * d);
    norm(prefix + "/self_attention/layer_norm", d);
    linear(prefix + "/self_attention/linear_0", 3 * d, d, no_key_bias(d));
    linear(prefix + "/self_attention/linear_1", d, d);
  }

  GeneratedModel model_;
  std::mt19937 random_;
  std::vector<Variable> variables_;
};

void append_utf8(std::string& text, int code_point) {  // below 0x800
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else {
    text += static_cast<char>(0xc0 | code_point >> 6);
    text += static_cast<char>(0x80 | (code_point & 0x3f));
  }
}

/// GPT-2's printable character of each byte, in the order of their token numbers.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  const auto add = [&](int code_point) { append_utf8(tokens.emplace_back(), code_point); };
  for (int c = 33; c <= 126; ++c) add(c);
  for (int c = 161; c <= 172; ++c) add(c);
  for (int c = 174; c <= 255; ++c) add(c);
  for (int next = 256; tokens.size() < 256; ++next) add(next);
  return tokens;
}

Status write_text(const std::filesystem::path& path, std::string_view text) {
  return write_file_atomic(path, std::as_bytes(std::span(text)));
}

}  // namespace

int num_text_tokens(int vocab_size) {
  return vocab_size - kNumTimestamps - static_cast<int>(special_tokens(vocab_size).size());
}

std::vector<std::byte> encode_floats(const std::vector<float>& values, DataType type) {
  std::vector<std::byte> bytes;
  for (const float value : values) {
    if (type == DataType::kFloat16) {
      append(bytes, to_float16(value));
    } else if (type == DataType::kBFloat16) {
      append(bytes, to_bfloat16(value));
    } else {
      append(bytes, value);
    }
  }
  return bytes;
}

Ct2Writer::Ct2Writer(std::string_view spec, std::uint32_t version, std::uint32_t revision) {
  raw(Kind::kVersion, &version, sizeof(version));
  text(spec);
  raw(Kind::kRevision, &revision, sizeof(revision));
}

void Ct2Writer::begin_variables(std::uint32_t count) { raw(Kind::kCount, &count, sizeof(count)); }

void Ct2Writer::variable(const std::string& name, const std::vector<std::uint32_t>& shape, std::uint8_t type,
                         const std::vector<std::byte>& data) {
  current_ = name;
  text(name);
  const auto rank = static_cast<std::uint8_t>(shape.size());
  raw(Kind::kRank, &rank, sizeof(rank));
  for (const std::uint32_t dim : shape) raw(Kind::kDim, &dim, sizeof(dim));
  raw(Kind::kType, &type, sizeof(type));
  const auto size = static_cast<std::uint32_t>(data.size());
  raw(Kind::kSize, &size, sizeof(size));
  raw(Kind::kData, data.data(), data.size());
  current_.clear();
}

void Ct2Writer::begin_aliases(std::uint32_t count) { raw(Kind::kCount, &count, sizeof(count)); }

void Ct2Writer::alias(const std::string& name, const std::string& target) {
  current_ = name;
  text(name);
  text(target);
  current_.clear();
}

void Ct2Writer::raw(Kind kind, const void* data, std::size_t size) {
  file_.fields.push_back({kind, current_, file_.bytes.size(), size});
  const auto* bytes = static_cast<const std::byte*>(data);
  file_.bytes.insert(file_.bytes.end(), bytes, bytes + size);
}

void Ct2Writer::text(std::string_view value) {
  const auto length = static_cast<std::uint16_t>(value.size() + 1);
  raw(Kind::kLength, &length, sizeof(length));
  raw(Kind::kText, std::string(value).c_str(), length);
}

GeneratedFile generate_model_bin(const GeneratedModel& model) { return Generator(model).generate(); }

std::string generate_config(const GeneratedModel& model) {
  json::object config;
  json::array heads;
  heads.push_back(json::array{model.num_decoder_layers - 1, 0});
  config["alignment_heads"] = std::move(heads);
  json::array languages;
  const int num_text = num_text_tokens(model.vocab_size);
  if (model.vocab_size >= kMultilingualVocabSize) {
    const int count = model.vocab_size >= kLargeV3VocabSize ? 100 : 99;
    for (int i = 0; i < count; ++i) languages.push_back(num_text + 2 + i);
  }
  config["lang_ids"] = std::move(languages);
  config["suppress_ids"] = json::array{0};
  config["suppress_ids_begin"] = json::array{0};
  return json::serialize(config);
}

Status write_generated_model(const std::filesystem::path& folder, const GeneratedModel& model) {
  if (model.vocab_size < kMinVocabSize || model.d_model < 64 || model.d_model % 64 != 0) {
    return Error{ErrorCode::kInvalidArgument, "the generated model's sizes are not possible"};
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return file_error("cannot create", folder, error.value());
  STENOD_RETURN_IF_ERROR(write_file_atomic(folder / "model.bin", generate_model_bin(model).bytes));
  STENOD_RETURN_IF_ERROR(write_text(folder / "config.json", generate_config(model)));
  if (model.num_mels != 80) {
    STENOD_RETURN_IF_ERROR(
        write_text(folder / "preprocessor_config.json", fmt::format("{{\"feature_size\": {}}}", model.num_mels)));
  }

  // Text tokens are the bytes and then pairs of bytes, each made by one merge.
  const auto bytes = byte_tokens();
  auto tokens = bytes;
  json::array merges;
  const auto num_text = static_cast<std::size_t>(num_text_tokens(model.vocab_size));
  for (std::size_t i = 0; tokens.size() < num_text; ++i) {
    const std::string& a = bytes[i / 256 % 256];
    const std::string& b = bytes[i % 256];
    tokens.push_back(a + b);
    merges.push_back(json::string(a + " " + b));
  }
  json::object vocab;
  for (std::size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
  json::array added;
  for (const std::string& token : special_tokens(model.vocab_size)) {
    added.push_back(json::object{{"id", tokens.size()},
                                 {"content", token},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", true}});
    tokens.push_back(token);
  }
  for (int i = 0; i < kNumTimestamps; ++i) tokens.push_back(fmt::format("<|{:.2f}|>", i * 0.02));

  const json::object byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json::object tokenizer = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"decoder", byte_level},
      {"model", json::object{{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}}}};
  STENOD_RETURN_IF_ERROR(write_text(folder / "tokenizer.json", json::serialize(tokenizer)));
  std::string vocabulary;
  for (const std::string& token : tokens) vocabulary += token + "\n";
  return write_text(folder / "vocabulary.txt", vocabulary);
}

}  // namespace stenod::models::testing
