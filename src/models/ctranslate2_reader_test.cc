#include "models/ctranslate2_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include "base/file.h"
#include "models/ctranslate2_container.h"
#include "models/data_type.h"
#include "models/testing/generated_model.h"

namespace stenod::models {
namespace {

using testing::Ct2Writer;
using testing::GeneratedModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint8_t kFloat32 = 0;
constexpr std::uint8_t kInt8 = 1;
constexpr std::uint8_t kInt16 = 2;

GeneratedModel tiny_model(DataType type = DataType::kFloat16) {
  GeneratedModel model;
  model.num_encoder_layers = model.num_decoder_layers = 1;
  model.vocab_size = 20;
  model.type = type;
  return model;
}

Result<WhisperWeights> parse(std::span<const std::byte> bytes, std::string_view config = "{}",
                             std::optional<std::string_view> preprocessor = std::nullopt) {
  return parse_ctranslate2(bytes, config, preprocessor, "m");
}

/// A model.bin in pieces that a test can change before it is put together again.
struct Pieces {
  struct Variable {
    std::vector<std::uint32_t> shape;
    std::uint8_t type;
    std::vector<std::byte> data;

    template <typename T>
    void set(std::size_t index, T value) {
      std::memcpy(data.data() + index * sizeof(T), &value, sizeof(T));
    }
  };
  std::string spec = "WhisperSpec";
  std::uint32_t revision = 3;
  std::map<std::string, Variable> variables;
  std::map<std::string, std::string> aliases;

  explicit Pieces(const GeneratedModel& model) {
    const auto file = generate_model_bin(model);
    const auto container = parse_ct2_container(file.bytes, "m/model.bin");
    for (const auto& [name, v] : container->variables) {
      variables[name] = {
          {v.shape.begin(), v.shape.end()}, static_cast<std::uint8_t>(v.type), {v.bytes.begin(), v.bytes.end()}};
    }
    for (const auto& [name, target] : container->aliases) aliases[name] = target;
  }

  std::vector<std::byte> join() const {
    Ct2Writer writer(spec, 6, revision);
    writer.begin_variables(static_cast<std::uint32_t>(variables.size()));
    for (const auto& [name, v] : variables) writer.variable(name, v.shape, v.type, v.data);
    writer.begin_aliases(static_cast<std::uint32_t>(aliases.size()));
    for (const auto& [name, target] : aliases) writer.alias(name, target);
    return std::move(writer).finish().bytes;
  }

  Variable& at(const std::string& name) { return variables.at(name); }

  /// Another shape of the same type, filled with zeros.
  void reshape(const std::string& name, std::vector<std::uint32_t> shape) {
    std::size_t count = 1;
    for (const auto dim : shape) count *= dim;
    std::size_t old_count = 1;
    for (const auto dim : at(name).shape) old_count *= dim;
    at(name).data.assign(count * (at(name).data.size() / old_count), std::byte{0});
    at(name).shape = std::move(shape);
  }
};

void expect_error(const Pieces& pieces, ErrorCode code, const std::string& message_part) {
  const auto bytes = pieces.join();
  const auto result = parse(bytes);
  ASSERT_FALSE(result.ok()) << "expected " << error_name(code) << " " << message_part;
  EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("m/model.bin: "));
  EXPECT_THAT(result.error().message, HasSubstr(message_part));
  EXPECT_EQ(result.error().param, "m/model.bin");
}

TEST(Ctranslate2Reader, ReadsEveryTypeAndSize) {
  for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16, DataType::kInt8}) {
    for (const int num_mels : {80, 128}) {
      GeneratedModel model = tiny_model(type);
      model.num_mels = num_mels;
      model.d_model = 128;
      model.num_encoder_layers = 3;
      model.num_decoder_layers = 2;
      const auto file = generate_model_bin(model);
      const auto weights = parse(file.bytes);
      ASSERT_TRUE(weights.ok()) << weights.error().message;
      const WhisperDims& dims = weights->dims;
      EXPECT_EQ(dims.num_mels, num_mels);
      EXPECT_EQ(dims.d_model, 128);
      EXPECT_EQ(dims.num_heads, 2);
      EXPECT_EQ(dims.num_encoder_layers, 3);
      EXPECT_EQ(dims.num_decoder_layers, 2);
      EXPECT_EQ(dims.mlp_size, 512);
      EXPECT_EQ(dims.vocab_size, 20);
      EXPECT_FALSE(dims.multilingual());
      ASSERT_EQ(weights->encoder_layers.size(), 3U);
      ASSERT_EQ(weights->decoder_layers.size(), 2U);
      const TensorView& qkv = weights->decoder_layers[1].qkv.front().weight;
      EXPECT_EQ(qkv.type, type);
      EXPECT_THAT(qkv.shape, ElementsAre(384, 128));
      EXPECT_EQ(qkv.bytes.size(), data_bytes(type, 384 * 128));
      EXPECT_EQ(qkv.scales.size(), type == DataType::kInt8 ? 384 * sizeof(float) : 0);
      EXPECT_EQ(weights->conv1_weight.type, type);
      EXPECT_THAT(weights->conv1_weight.shape, ElementsAre(128, num_mels, 3));
      EXPECT_THAT(weights->decoder_layers[0].cross_key_value.front().weight.shape, ElementsAre(256, 128));
      EXPECT_FALSE(first_non_finite(weights->token_embedding).has_value());
    }
  }
}

TEST(Ctranslate2Reader, Int8WithFloatConvolutions) {
  Pieces pieces(tiny_model(DataType::kInt8));
  for (const std::string name : {"encoder/conv1/weight", "encoder/conv2/weight"}) {
    auto& v = pieces.at(name);
    v.type = kFloat32;
    v.data.assign(v.data.size() * sizeof(float), std::byte{0});
    pieces.variables.erase(name + "_scale");
  }
  const auto bytes = pieces.join();
  const auto weights = parse(bytes);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_EQ(weights->conv2_weight.type, DataType::kFloat32);
  EXPECT_TRUE(weights->conv2_weight.scales.empty());
}

TEST(Ctranslate2Reader, ProjectionIsTheEmbedding) {
  for (const DataType type : {DataType::kFloat16, DataType::kInt8}) {
    Pieces pieces(tiny_model(type));
    pieces.aliases.clear();
    EXPECT_TRUE(parse(pieces.join()).ok()) << "without a projection";
    pieces.variables["decoder/projection/weight"] = pieces.at("decoder/embeddings/weight");
    if (type == DataType::kInt8) {
      pieces.variables["decoder/projection/weight_scale"] = pieces.at("decoder/embeddings/weight_scale");
    }
    EXPECT_TRUE(parse(pieces.join()).ok()) << "with a copy";
    pieces.at("decoder/projection/weight").data[5] ^= std::byte{1};
    expect_error(pieces, ErrorCode::kModelBadValue, "differs from decoder/embeddings/weight");
    pieces.at("decoder/projection/weight").data[5] ^= std::byte{1};
    if (type == DataType::kInt8) {
      pieces.at("decoder/projection/weight_scale").set(3, 1.5F);
      expect_error(pieces, ErrorCode::kModelBadValue, "differs from decoder/embeddings/weight");
    }
  }
}

TEST(Ctranslate2Reader, RefusesOtherArchitectures) {
  Pieces other(tiny_model());
  other.spec = "TransformerSpec";
  expect_error(other, ErrorCode::kModelBadMagic, "a TransformerSpec model, expected WhisperSpec");
  Pieces revision(tiny_model());
  revision.revision = 2;
  expect_error(revision, ErrorCode::kModelUnsupportedVersion, "revision 2, expected 3");
  Pieces more(tiny_model());
  more.variables["decoder/projection/bias"] = {{20}, kFloat32, std::vector<std::byte>(80)};
  expect_error(more, ErrorCode::kModelUnknownVariable, "decoder/projection/bias is not a part of Whisper");
  Pieces scalars(tiny_model());
  scalars.variables["decoder/new_flag"] = {{}, kInt8, std::vector<std::byte>(1)};
  EXPECT_TRUE(parse(scalars.join()).ok()) << "an unknown scalar is allowed";
}

TEST(Ctranslate2Reader, EveryVariableIsNeeded) {
  const Pieces good(tiny_model(DataType::kInt8));
  for (const auto& [name, variable] : good.variables) {
    if (variable.shape.empty()) continue;
    Pieces pieces = good;
    pieces.variables.erase(name);
    if (name.starts_with("decoder/embeddings/")) pieces.aliases.clear();
    expect_error(pieces, ErrorCode::kModelMissingVariable, name + " is missing");
  }
}

TEST(Ctranslate2Reader, EveryShapeIsChecked) {
  const Pieces good(tiny_model());
  for (const auto& [name, variable] : good.variables) {
    for (std::size_t axis = 0; axis < variable.shape.size(); ++axis) {
      // Any number of tokens is right.
      if (name == "decoder/embeddings/weight" && axis == 0) continue;
      Pieces pieces = good;
      auto shape = variable.shape;
      shape[axis] += 1;
      pieces.reshape(name, shape);
      expect_error(pieces, ErrorCode::kModelBadShape, name);
    }
    // Rank: the same values in one dimension more.
    Pieces pieces = good;
    auto shape = variable.shape;
    shape.push_back(1);
    pieces.reshape(name, shape);
    if (name == "decoder/alignment_heads" || name == "decoder/alignment_layer") continue;
    expect_error(pieces, ErrorCode::kModelBadShape, name);
  }
}

TEST(Ctranslate2Reader, EveryTypeIsChecked) {
  const Pieces good(tiny_model(DataType::kInt8));
  for (const auto& [name, variable] : good.variables) {
    const bool is_weight = variable.type == kInt8 && !variable.shape.empty();
    if (name.starts_with("decoder/alignment_")) continue;
    std::size_t count = 1;
    for (const auto dim : variable.shape) count *= dim;
    Pieces pieces = good;
    // Weights may be int8 but not int16; other tensors not even that; scalars not float.
    pieces.at(name).type = variable.shape.empty() ? kFloat32 : is_weight ? kInt16 : kInt8;
    pieces.at(name).data.assign(count * (variable.shape.empty() ? 4 : is_weight ? 2 : 1), std::byte{0});
    expect_error(pieces, ErrorCode::kModelBadType, name);
  }
  Pieces half_scale = good;
  half_scale.at("encoder/conv1/weight_scale").type = 4;
  half_scale.at("encoder/conv1/weight_scale").data.assign(64 * 2, std::byte{0x3c});
  expect_error(half_scale, ErrorCode::kModelBadType, "encoder/conv1/weight_scale is float16, expected float32");
}

TEST(Ctranslate2Reader, EveryVectorAndPositionMustBeFinite) {
  const Pieces good(tiny_model(DataType::kInt8));
  int num_positions = 0;
  for (const auto& [name, variable] : good.variables) {
    const bool position = name.find("position_encodings") != std::string::npos;
    num_positions += position ? 1 : 0;
    if (variable.shape.size() != 1 && !position) continue;
    const std::uint32_t last =
        variable.shape.size() == 1 ? variable.shape[0] - 1 : variable.shape[0] * variable.shape[1] - 1;
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      Pieces pieces = good;
      pieces.at(name).set(last, bad);
      expect_error(pieces, ErrorCode::kModelBadValue, name);
    }
  }
  EXPECT_EQ(num_positions, 2);
  Pieces half(tiny_model(DataType::kFloat16));
  half.at("encoder/conv1/bias").set<std::uint16_t>(7, 0x7c00);
  expect_error(half, ErrorCode::kModelBadValue, "value 7 of encoder/conv1/bias is infinite or not a number");
}

TEST(Ctranslate2Reader, EveryScaleMustBePositive) {
  const Pieces good(tiny_model(DataType::kInt8));
  int num_scales = 0;
  for (const auto& [name, variable] : good.variables) {
    if (!name.ends_with("_scale")) continue;
    ++num_scales;
    for (const float bad : {0.0F, -1.0F, 1e-45F}) {
      Pieces pieces = good;
      pieces.at(name).set(variable.shape[0] - 1, bad);
      expect_error(pieces, ErrorCode::kModelBadValue, name);
    }
  }
  EXPECT_EQ(num_scales, 14);
}

TEST(Ctranslate2Reader, FlagsMustBeWhispers) {
  const struct {
    const char* name;
    std::int16_t value;
  } cases[] = {{"decoder/activation", 0}, {"decoder/alibi", 1},      {"decoder/num_heads", 2},
               {"encoder/num_heads", 0},  {"decoder/pre_norm", 0},   {"decoder/scale_embeddings", 1},
               {"encoder/pre_norm", 0},   {"encoder/activation", 1}, {"decoder/start_from_zero_embedding", 1}};
  for (const auto& c : cases) {
    Pieces pieces(tiny_model());
    pieces.variables[c.name] = {{}, kInt16, std::vector<std::byte>(2)};
    pieces.at(c.name).set(0, c.value);
    expect_error(pieces, ErrorCode::kModelBadValue, std::string(c.name) + " is ");
  }
  Pieces wide(tiny_model());
  wide.variables["decoder/num_heads"] = {{}, 3, std::vector<std::byte>(4)};
  wide.at("decoder/num_heads").set<std::int32_t>(0, 0x10001);
  expect_error(wide, ErrorCode::kModelBadValue, "decoder/num_heads is 65537, expected 1");
}

TEST(Ctranslate2Reader, SizesAreBounded) {
  Pieces mels(tiny_model());
  mels.reshape("encoder/conv1/weight", {64, 100, 3});
  expect_error(mels, ErrorCode::kModelBadShape, "expected 80 or 128 mel bins");
  Pieces wide(tiny_model());
  wide.reshape("decoder/embeddings/weight", {20, 8192 + 64});
  expect_error(wide, ErrorCode::kModelBadShape, "up to 8192 values");
  Pieces vocab(tiny_model());
  vocab.reshape("decoder/embeddings/weight", {(1 << 20) + 1, 64});
  expect_error(vocab, ErrorCode::kModelBadShape, "at most 1048576 tokens");
  for (const char* name : {"encoder/layer_128/x", "encoder/layer_99999999999999999999/x"}) {
    Pieces layers(tiny_model());
    layers.variables[name] = {{1}, kFloat32, std::vector<std::byte>(4)};
    expect_error(layers, ErrorCode::kModelBadShape, "expected less than 128");
  }
  Pieces gap(tiny_model());
  gap.variables["decoder/layer_2/ffn/linear_0/bias"] = {{256}, kFloat32, std::vector<std::byte>(1024)};
  expect_error(gap, ErrorCode::kModelMissingVariable, "decoder/layer_1/");
  for (const std::string side : {"encoder", "decoder"}) {
    Pieces none(tiny_model());
    std::erase_if(none.variables, [&](const auto& v) { return v.first.starts_with(side + "/layer_0/"); });
    expect_error(none, ErrorCode::kModelMissingVariable, side + "/layer_0 is missing");
  }
}

TEST(Ctranslate2Reader, TruncationAtEveryFieldIsFound) {
  const auto file = generate_model_bin(tiny_model(DataType::kInt8));
  for (const auto& f : file.fields) {
    for (const std::size_t size : {f.offset, f.offset + f.size / 2, f.offset + f.size - 1}) {
      const auto weights = parse(std::span(file.bytes).first(size));
      ASSERT_FALSE(weights.ok());
      EXPECT_TRUE(weights.error().code == ErrorCode::kModelTruncated ||
                  weights.error().code == ErrorCode::kModelBadCount)
          << size << ": " << weights.error().message;
    }
  }
}

/// Every header field of a whole model, overwritten with extreme values, is found or harmless; never a crash.
TEST(Ctranslate2Reader, NoHeaderFieldIsTrusted) {
  using Kind = testing::GeneratedField::Kind;
  auto file = generate_model_bin(tiny_model(DataType::kInt8));
  for (const auto& f : file.fields) {
    if (f.kind == Kind::kData) continue;
    const std::vector<std::byte> saved(file.bytes.begin() + static_cast<std::ptrdiff_t>(f.offset),
                                       file.bytes.begin() + static_cast<std::ptrdiff_t>(f.offset + f.size));
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::memset(file.bytes.data() + f.offset, value, f.size);
      if (std::equal(saved.begin(), saved.end(), file.bytes.begin() + static_cast<std::ptrdiff_t>(f.offset))) continue;
      const auto weights = parse(file.bytes);
      EXPECT_FALSE(weights.ok()) << f.variable << " at " << f.offset << " value " << value;
    }
    std::copy(saved.begin(), saved.end(), file.bytes.begin() + static_cast<std::ptrdiff_t>(f.offset));
  }
  EXPECT_TRUE(parse(file.bytes).ok());
}

class Ctranslate2Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_models_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(Ctranslate2Folder, ReadsAFolder) {
  GeneratedModel model = tiny_model();
  model.num_mels = 128;
  model.vocab_size = testing::kMinVocabSize;
  ASSERT_TRUE(write_generated_model(folder_, model).ok());
  auto weights = read_ctranslate2(folder_);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_NE(weights->storage, nullptr);
  EXPECT_THAT(weights->generation.alignment_heads, ElementsAre(std::pair(0, 0)));
  EXPECT_FALSE(first_non_finite(weights->encoder_positions).has_value());
}

TEST_F(Ctranslate2Folder, NamesTheFileThatIsMissingOrBroken) {
  GeneratedModel model = tiny_model();
  model.vocab_size = testing::kMinVocabSize;
  const auto expect = [&](ErrorCode code, const char* file) {
    const auto weights = read_ctranslate2(folder_);
    ASSERT_FALSE(weights.ok()) << file;
    EXPECT_EQ(error_name(weights.error().code), error_name(code)) << weights.error().message;
    EXPECT_EQ(weights.error().param, (folder_ / file).string());
  };
  expect(ErrorCode::kModelMissingFile, "model.bin");
  ASSERT_TRUE(write_generated_model(folder_, model).ok());
  std::filesystem::remove(folder_ / "config.json");
  expect(ErrorCode::kModelMissingFile, "config.json");
  std::ofstream(folder_ / "config.json") << "{";
  expect(ErrorCode::kJsonMalformed, "config.json");
  std::ofstream(folder_ / "config.json") << std::string(5 << 20, ' ');
  expect(ErrorCode::kInvalidArgument, "config.json");
  std::ofstream(folder_ / "config.json") << "{}";
  ASSERT_TRUE(read_ctranslate2(folder_).ok());
  std::ofstream(folder_ / "preprocessor_config.json") << R"({"feature_size": 128})";
  expect(ErrorCode::kModelBadConfig, "preprocessor_config.json");
  std::ofstream(folder_ / "preprocessor_config.json") << "";
  expect(ErrorCode::kJsonMalformed, "preprocessor_config.json");
  std::filesystem::remove(folder_ / "preprocessor_config.json");
  std::filesystem::create_directory(folder_ / "preprocessor_config.json");
  expect(ErrorCode::kInvalidArgument, "preprocessor_config.json");
  std::filesystem::remove(folder_ / "preprocessor_config.json");
  std::ofstream(folder_ / "model.bin") << "";
  expect(ErrorCode::kModelTruncated, "model.bin");
  std::filesystem::remove(folder_ / "model.bin");
  std::filesystem::create_directory(folder_ / "model.bin");
  expect(ErrorCode::kInvalidArgument, "model.bin");
}

TEST(TensorCheck, FindsTheFirstNonFiniteValue) {
  const auto check = [](DataType type, auto values) {
    const auto bytes = std::as_bytes(std::span(values));
    return first_non_finite(TensorView{type, {static_cast<std::int64_t>(std::size(values))}, bytes, {}});
  };
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(check(DataType::kFloat32, std::vector<float>{0, 3e38F, -1}), std::nullopt);
  EXPECT_EQ(check(DataType::kFloat32, std::vector<float>{0, -inf, inf}), 1U);
  EXPECT_EQ(check(DataType::kFloat16, std::vector<std::uint16_t>{0x7bff, 0xfe00}), 1U);
  EXPECT_EQ(check(DataType::kBFloat16, std::vector<std::uint16_t>{0x7f7f, 0x7c00, 0x7f80}), 2U);
  EXPECT_EQ(check(DataType::kInt8, std::vector<std::int8_t>{-128, 127}), std::nullopt);
}

}  // namespace
}  // namespace stenod::models
