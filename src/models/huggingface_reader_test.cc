#include "models/huggingface_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "base/file.h"
#include "models/data_type.h"
#include "models/safetensors.h"
#include "models/testing/generated_forms.h"

namespace stenod::models {
namespace {

using testing::GeneratedModel;
using testing::GeneratedTensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

GeneratedModel tiny_model(DataType type = DataType::kFloat32) {
  GeneratedModel model;
  model.num_encoder_layers = model.num_decoder_layers = 1;
  model.vocab_size = 20;
  model.type = type;
  return model;
}

/// A model in pieces that a test can change before it is read.
struct Pieces {
  explicit Pieces(const GeneratedModel& model)
      : tensors(generate_tensors(model, kHuggingFaceNames)), texts{generate_huggingface_config(model), {}, {}} {}

  GeneratedTensor& at(std::string_view name) {
    const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
    if (it == tensors.end()) throw std::logic_error("no such tensor");
    return *it;
  }

  Result<WhisperWeights> read() {
    file = testing::join_safetensors(tensors);
    NamedTensors named;
    const Status parsed = parse_safetensors(file, "m/model.safetensors", named);
    EXPECT_TRUE(parsed.ok()) << parsed.error().message;
    return parse_huggingface(named, texts, "m");
  }

  std::vector<GeneratedTensor> tensors;
  HuggingFaceTexts texts;
  std::vector<std::byte> file;
};

void expect_error(Pieces pieces, ErrorCode code, const std::string& message_part,
                  const std::string& param = "m/model.safetensors") {
  const auto result = pieces.read();
  ASSERT_FALSE(result.ok()) << "expected " << error_name(code) << " " << message_part;
  EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr(message_part));
  EXPECT_EQ(result.error().param, param);
}

TEST(HuggingFaceReader, ReadsEveryTypeAndSize) {
  for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    for (const int num_mels : {80, 128}) {
      GeneratedModel model = tiny_model(type);
      model.num_mels = num_mels;
      model.d_model = 128;
      model.num_encoder_layers = 3;
      model.num_decoder_layers = 2;
      Pieces pieces(model);
      const auto weights = pieces.read();
      ASSERT_TRUE(weights.ok()) << weights.error().message;
      const WhisperDims& dims = weights->dims;
      EXPECT_EQ(dims.num_mels, num_mels);
      EXPECT_EQ(dims.d_model, 128);
      EXPECT_EQ(dims.num_heads, 2);
      EXPECT_EQ(dims.num_encoder_layers, 3);
      EXPECT_EQ(dims.num_decoder_layers, 2);
      EXPECT_EQ(dims.mlp_size, 512);
      EXPECT_EQ(dims.vocab_size, 20);
      ASSERT_EQ(weights->encoder_layers.size(), 3U);
      ASSERT_EQ(weights->decoder_layers.size(), 2U);
      const StackedLinearView& qkv = weights->decoder_layers[1].qkv;
      ASSERT_EQ(qkv.size(), 3U);
      EXPECT_EQ(qkv[0].weight.type, type);
      EXPECT_THAT(qkv[1].weight.shape, ElementsAre(128, 128));
      EXPECT_TRUE(qkv[0].bias.has_value());
      EXPECT_FALSE(qkv[1].bias.has_value()) << "keys have none";
      EXPECT_EQ(qkv[2].weight.bytes.size(), data_bytes(type, 128 * 128));
      EXPECT_EQ(weights->decoder_layers[0].cross_key_value.size(), 2U);
      EXPECT_THAT(weights->conv1_weight.shape, ElementsAre(128, num_mels, 3));
      EXPECT_TRUE(weights->vocabulary.empty());
    }
  }
}

TEST(HuggingFaceReader, ProjectionIsTheEmbedding) {
  Pieces pieces(tiny_model());
  GeneratedTensor copy = pieces.at("model.decoder.embed_tokens.weight");
  copy.name = "proj_out.weight";
  pieces.tensors.push_back(copy);
  EXPECT_TRUE(pieces.read().ok());
  pieces.tensors.back().bytes[5] ^= std::byte{1};
  expect_error(pieces, ErrorCode::kModelBadValue, "proj_out.weight differs from model.decoder.embed_tokens.weight");
  pieces.tensors.back() = pieces.at("model.decoder.layers.0.fc1.weight");
  pieces.tensors.back().name = "proj_out.weight";
  expect_error(pieces, ErrorCode::kModelBadShape, "proj_out.weight is [256, 64], expected [20, 64]");
}

TEST(HuggingFaceReader, EveryTensorIsNeeded) {
  const Pieces good(tiny_model());
  for (std::size_t i = 0; i < good.tensors.size(); ++i) {
    Pieces pieces = good;
    const std::string name = pieces.tensors[i].name;
    pieces.tensors.erase(pieces.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    expect_error(pieces, ErrorCode::kModelMissingVariable, name + " is missing", "m");
  }
}

TEST(HuggingFaceReader, EveryShapeIsChecked) {
  const Pieces good(tiny_model());
  for (std::size_t i = 0; i < good.tensors.size(); ++i) {
    const GeneratedTensor& tensor = good.tensors[i];
    for (std::size_t axis = 0; axis <= tensor.shape.size(); ++axis) {
      Pieces pieces = good;
      auto& shape = pieces.tensors[i].shape;
      if (axis == shape.size()) {
        shape.push_back(1);
      } else {
        const auto count = pieces.tensors[i].bytes.size() / static_cast<std::size_t>(shape[axis]);
        pieces.tensors[i].bytes.resize(count * static_cast<std::size_t>(++shape[axis]));
      }
      expect_error(pieces, ErrorCode::kModelBadShape, tensor.name);
    }
  }
}

TEST(HuggingFaceReader, EveryVectorAndPositionMustBeFinite) {
  const Pieces good(tiny_model());
  int checked = 0;
  for (std::size_t i = 0; i < good.tensors.size(); ++i) {
    const GeneratedTensor& tensor = good.tensors[i];
    if (tensor.shape.size() != 1 && tensor.name.find("embed_positions") == std::string::npos) continue;
    ++checked;
    Pieces pieces = good;
    const float bad = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(pieces.tensors[i].bytes.data() + tensor.bytes.size() - sizeof(bad), &bad, sizeof(bad));
    expect_error(pieces, ErrorCode::kModelBadValue, tensor.name);
  }
  EXPECT_EQ(checked, 31);
}

TEST(HuggingFaceReader, NothingIsLeftOver) {
  Pieces more(tiny_model());
  more.tensors.push_back(more.at("model.encoder.conv1.bias"));
  more.tensors.back().name = "model.encoder.layers.0.self_attn.k_proj.bias";
  expect_error(more, ErrorCode::kModelUnknownVariable, "k_proj.bias is not a part of Whisper with 1 encoder");
  GeneratedModel two = tiny_model();
  two.num_decoder_layers = 2;
  Pieces fewer(two);
  fewer.texts.config = generate_huggingface_config(tiny_model());
  expect_error(fewer, ErrorCode::kModelUnknownVariable, "model.decoder.layers.1.");
}

TEST(HuggingFaceReader, PreprocessorMustAgree) {
  Pieces pieces(tiny_model());
  pieces.texts.preprocessor_config = R"({"feature_size":80})";
  EXPECT_TRUE(pieces.read().ok());
  pieces.texts.preprocessor_config = R"({"feature_size":128})";
  expect_error(pieces, ErrorCode::kModelBadConfig, "feature_size is 128", "m/preprocessor_config.json");
}

TEST(HuggingFaceReader, GenerationConfigComesFirst) {
  GeneratedModel model = tiny_model();
  model.num_decoder_layers = 2;
  Pieces pieces(model);
  pieces.texts.config.insert(1, R"("suppress_tokens":[1],"begin_suppress_tokens":[2],)");
  auto weights = pieces.read();
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_THAT(weights->generation.suppress_tokens, ElementsAre(1));
  EXPECT_THAT(weights->generation.alignment_heads, ElementsAre(Pair(1, 0))) << "the last half of the layers";
  // A distilled model with the heads of its teacher.
  pieces.texts.generation_config = R"({"suppress_tokens":[3,4],"alignment_heads":[[7,0],[0,0],[31,0]]})";
  weights = pieces.read();
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_THAT(weights->generation.suppress_tokens, ElementsAre(3, 4));
  EXPECT_THAT(weights->generation.suppress_begin_tokens, ElementsAre(2));
  EXPECT_THAT(weights->generation.alignment_heads, ElementsAre(Pair(0, 0)));
  pieces.texts.generation_config = R"({"alignment_heads":[[7,0],[10,0]],"suppress_tokens":[20]})";
  expect_error(pieces, ErrorCode::kModelBadConfig, "suppress_tokens[0] is 20", "m/generation_config.json");
  pieces.texts.generation_config = R"({"alignment_heads":[[7,0],[10,0]]})";
  weights = pieces.read();
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_THAT(weights->generation.alignment_heads, ElementsAre(Pair(1, 0)));
  pieces.texts.generation_config = R"({"alignment_heads":[[1,1]]})";
  expect_error(pieces, ErrorCode::kModelBadConfig, "alignment_heads[0] is [1,1]", "m/generation_config.json");
}

class HuggingFaceFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_models_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    model_ = tiny_model();
    model_.vocab_size = testing::kMinVocabSize;
    ASSERT_TRUE(write_generated_huggingface(folder_, model_).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void expect_failure(ErrorCode code, const char* file) {
    const auto weights = read_huggingface(folder_);
    ASSERT_FALSE(weights.ok()) << file;
    EXPECT_EQ(error_name(weights.error().code), error_name(code)) << weights.error().message;
    EXPECT_EQ(weights.error().param, (folder_ / file).string());
  }

  /// Replaces model.safetensors by two files and an index.
  void split() {
    std::filesystem::remove(folder_ / "model.safetensors");
    const auto tensors = generate_tensors(model_, kHuggingFaceNames);
    const std::size_t half = tensors.size() / 2;
    ASSERT_TRUE(
        write_file_atomic(folder_ / "a.safetensors", testing::join_safetensors(std::span(tensors).first(half))).ok());
    ASSERT_TRUE(
        write_file_atomic(folder_ / "b.safetensors", testing::join_safetensors(std::span(tensors).subspan(half))).ok());
    std::string map;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      map += (i == 0 ? "\"" : ",\"") + tensors[i].name + (i < half ? R"(":"a.safetensors")" : R"(":"b.safetensors")");
    }
    write_index(map);
  }
  void write_index(const std::string& map) {
    std::ofstream(folder_ / "model.safetensors.index.json") << R"({"weight_map":{)" << map << "}}";
  }

  std::filesystem::path folder_;
  GeneratedModel model_;
};

TEST_F(HuggingFaceFolder, ReadsOneFile) {
  const auto weights = read_huggingface(folder_);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_EQ(weights->storage->size(), 1U);
  EXPECT_FALSE(first_non_finite(weights->token_embedding).has_value());
}

TEST_F(HuggingFaceFolder, ReadsSeveralFiles) {
  split();
  const auto weights = read_huggingface(folder_);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_EQ(weights->storage->size(), 2U);
  EXPECT_FALSE(first_non_finite(weights->token_embedding).has_value());
  EXPECT_FALSE(first_non_finite(weights->conv1_bias).has_value());

  write_index(R"("model.encoder.conv1.bias":"c.safetensors")");
  expect_failure(ErrorCode::kModelMissingFile, "c.safetensors");
  write_index(R"("model.encoder.conv1.bias":"../model.safetensors")");
  expect_failure(ErrorCode::kModelBadIndex, "model.safetensors.index.json");
  write_index(R"("model.encoder.conv1.bias":"a.safetensors")");
  expect_failure(ErrorCode::kModelBadIndex, "model.safetensors.index.json");
}

TEST_F(HuggingFaceFolder, NamesTheFileThatIsMissingOrBroken) {
  std::ofstream(folder_ / "generation_config.json") << "{";
  expect_failure(ErrorCode::kJsonMalformed, "generation_config.json");
  std::filesystem::remove(folder_ / "generation_config.json");
  std::filesystem::create_directory(folder_ / "generation_config.json");
  expect_failure(ErrorCode::kInvalidArgument, "generation_config.json");
  std::filesystem::remove(folder_ / "generation_config.json");
  std::ofstream(folder_ / "preprocessor_config.json") << "[]";
  expect_failure(ErrorCode::kModelBadConfig, "preprocessor_config.json");
  std::filesystem::remove(folder_ / "preprocessor_config.json");
  std::filesystem::resize_file(folder_ / "model.safetensors", 100);
  expect_failure(ErrorCode::kModelTruncated, "model.safetensors");
  std::filesystem::remove(folder_ / "model.safetensors");
  expect_failure(ErrorCode::kModelMissingFile, "model.safetensors");
  std::filesystem::create_directory(folder_ / "model.safetensors");
  expect_failure(ErrorCode::kInvalidArgument, "model.safetensors");
  std::ofstream(folder_ / "config.json") << std::string(5 << 20, ' ');
  expect_failure(ErrorCode::kInvalidArgument, "config.json");
  std::filesystem::remove(folder_ / "config.json");
  expect_failure(ErrorCode::kModelMissingFile, "config.json");
}

}  // namespace
}  // namespace stenod::models
