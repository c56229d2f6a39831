#include "models/ggml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <stdexcept>

#include "models/alignment_heads.h"
#include "models/data_type.h"
#include "models/testing/generated_forms.h"

namespace stenod::models {
namespace {

using testing::GeneratedField;
using testing::GeneratedFile;
using testing::GeneratedModel;
using testing::GeneratedTensor;
using Kind = GeneratedField::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr DataType kEveryType[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16, DataType::kQ4_0,
                                   DataType::kQ4_1,    DataType::kQ5_0,    DataType::kQ5_1,     DataType::kQ8_0,
                                   DataType::kQ2K,     DataType::kQ3K,     DataType::kQ4K,      DataType::kQ5K,
                                   DataType::kQ6K};

GeneratedModel tiny_model(DataType type = DataType::kQ8_0) {
  GeneratedModel model;
  model.num_encoder_layers = model.num_decoder_layers = 1;
  model.vocab_size = 20;
  model.type = type;
  return model;
}

/// A model in pieces that a test can change before it is read.
struct Pieces {
  explicit Pieces(const GeneratedModel& of = tiny_model())
      : model(of), tensors(generate_tensors(of, kOpenAiNames)), file(join_ggml(model, tensors)) {}

  GeneratedTensor& at(std::string_view name) {
    const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
    if (it == tensors.end()) throw std::logic_error("no such tensor");
    return *it;
  }
  void join() { file = join_ggml(model, tensors); }

  const GeneratedField& field(Kind kind, std::string_view tensor, int nth = 0) const {
    for (const auto& f : file.fields) {
      if (f.kind == kind && f.variable == tensor && nth-- == 0) return f;
    }
    throw std::logic_error("no such field");
  }
  /// Overwrites a field's start.
  Pieces& set(Kind kind, std::string_view tensor, int nth, std::int32_t value) {
    std::memcpy(file.bytes.data() + field(kind, tensor, nth).offset, &value, sizeof(value));
    return *this;
  }

  Result<WhisperWeights> read() const { return parse_ggml(file.bytes, "m/ggml.bin"); }

  GeneratedModel model;
  std::vector<GeneratedTensor> tensors;
  GeneratedFile file;
};

void expect_error(const Pieces& pieces, ErrorCode code, const std::string& message_part) {
  const auto result = pieces.read();
  ASSERT_FALSE(result.ok()) << "expected " << error_name(code) << " " << message_part;
  EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("m/ggml.bin: "));
  EXPECT_THAT(result.error().message, HasSubstr(message_part));
  EXPECT_EQ(result.error().param, "m/ggml.bin");
}

TEST(GgmlReader, ReadsEveryTypeAndSize) {
  for (const DataType type : kEveryType) {
    for (const int num_mels : type == DataType::kFloat16 ? std::vector{80, 128} : std::vector{80}) {
      GeneratedModel model = tiny_model(type);
      model.num_mels = num_mels;
      model.d_model = 256;  // the least that types with a K can have
      model.num_encoder_layers = 1;
      model.num_decoder_layers = 2;
      const Pieces pieces(model);
      const auto weights = pieces.read();
      ASSERT_TRUE(weights.ok()) << weights.error().message;
      const WhisperDims& dims = weights->dims;
      EXPECT_EQ(dims.num_mels, num_mels);
      EXPECT_EQ(dims.d_model, 256);
      EXPECT_EQ(dims.num_heads, 4);
      EXPECT_EQ(dims.num_encoder_layers, 1);
      EXPECT_EQ(dims.num_decoder_layers, 2);
      EXPECT_EQ(dims.mlp_size, 1024);
      EXPECT_EQ(dims.vocab_size, 20);
      const StackedLinearView& qkv = weights->decoder_layers[1].qkv;
      ASSERT_EQ(qkv.size(), 3U);
      EXPECT_EQ(qkv[1].weight.type, type);
      EXPECT_THAT(qkv[1].weight.shape, ElementsAre(256, 256));
      EXPECT_EQ(qkv[1].weight.bytes.size(), data_bytes(type, 256 * 256));
      EXPECT_FALSE(qkv[1].bias.has_value());
      EXPECT_THAT(weights->conv1_bias.shape, ElementsAre(256));
      EXPECT_THAT(weights->conv1_weight.shape, ElementsAre(256, num_mels, 3));
      EXPECT_THAT(weights->generation.alignment_heads, ElementsAre(Pair(1, 0), Pair(1, 1), Pair(1, 2), Pair(1, 3)));
      EXPECT_THAT(weights->vocabulary, ElementsAre(std::string(1, '\0')));
    }
  }
}

TEST(GgmlReader, ReadsTheVocabulary) {
  GeneratedModel model = tiny_model();
  model.vocab_size = testing::kMinVocabSize + 44;
  const Pieces pieces(model);
  const auto weights = pieces.read();
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  ASSERT_EQ(weights->vocabulary.size(), 300U);
  EXPECT_EQ(weights->vocabulary[65], "A");
  EXPECT_EQ(weights->vocabulary[256 + 42], (std::string{'\0', '*'}));
}

TEST(GgmlReader, KnowsOpenAisAlignmentHeads) {
  const auto heads = [](int d_model, int encoder_layers, int decoder_layers, int vocab_size) {
    WhisperDims dims;
    dims.d_model = d_model;
    dims.num_heads = d_model / 64;
    dims.num_encoder_layers = encoder_layers;
    dims.num_decoder_layers = decoder_layers;
    dims.vocab_size = vocab_size;
    const auto found = known_alignment_heads(dims);
    for (const auto& [layer, head] : found) {
      EXPECT_LT(layer, decoder_layers);
      EXPECT_LT(head, dims.num_heads);
    }
    return found;
  };
  EXPECT_THAT(heads(384, 4, 4, 51864), ElementsAre(Pair(1, 0), Pair(2, 0), Pair(2, 5), Pair(3, 0), Pair(3, 1),
                                                   Pair(3, 2), Pair(3, 3), Pair(3, 4)));
  EXPECT_EQ(heads(384, 4, 4, 51865).size(), 6U);
  EXPECT_EQ(heads(512, 6, 6, 51864).size(), 5U);
  EXPECT_THAT(heads(512, 6, 6, 51865), ElementsAre(Pair(3, 1), Pair(4, 2), Pair(4, 3), Pair(4, 7), Pair(5, 1),
                                                   Pair(5, 2), Pair(5, 4), Pair(5, 6)));
  EXPECT_EQ(heads(768, 12, 12, 51864).size(), 19U);
  EXPECT_EQ(heads(768, 12, 12, 51865).size(), 10U);
  EXPECT_EQ(heads(1024, 24, 24, 51864).size(), 18U);
  EXPECT_EQ(heads(1024, 24, 24, 51865).size(), 6U);
  EXPECT_EQ(heads(1280, 32, 32, 51865).size(), 23U);
  EXPECT_EQ(heads(1280, 32, 32, 51866).size(), 10U);
  EXPECT_THAT(heads(1280, 32, 4, 51866),
              ElementsAre(Pair(2, 4), Pair(2, 11), Pair(3, 3), Pair(3, 6), Pair(3, 11), Pair(3, 14)));
  EXPECT_EQ(heads(1280, 32, 2, 51866).size(), 20U) << "a distilled model: all heads of its last layer";
}

TEST(GgmlReader, RefusesOtherFiles) {
  expect_error(Pieces().set(Kind::kVersion, "", 0, 0x46554747), ErrorCode::kModelBadMagic, "this is a GGUF file");
  expect_error(Pieces().set(Kind::kVersion, "", 0, 6), ErrorCode::kModelBadMagic,
               "it starts with 0x6, expected 0x67676d6c");
}

TEST(GgmlReader, EverySizeOfTheHeaderIsChecked) {
  const struct {
    int number;
    std::int32_t value;
    const char* message;
    ErrorCode code = ErrorCode::kModelBadShape;
  } cases[] = {{0, 0, "0 tokens"},
               {0, -1, "-1 tokens"},
               {0, (1 << 20) + 1, "1048577 tokens"},
               {0, 21, "decoder.token_embedding.weight is [20, 64], expected [21, 64]"},
               {1, 1501, "1501 positions of audio"},
               {2, 128, "a width of 64 and 1 heads, the encoder 128 and 1"},
               {3, 2, "the encoder 64 and 2"},
               {4, 0, "0 layers"},
               {4, 129, "129 layers"},
               {4, 2, "encoder.blocks.1.attn_ln.weight is missing", ErrorCode::kModelMissingVariable},
               {5, 447, "447 of text"},
               {6, -64, "a width of -64"},
               {7, 0, "0 heads"},
               {8, -1, "-1 layers"},
               {9, 100, "100 mel bins"},
               {9, 128, "80 mel filters of 201 values, expected 128 of 201"},
               {10, 1007, "quantised in version 1, expected 2", ErrorCode::kModelUnsupportedVersion},
               {10, 7, "quantised in version 0, expected 2", ErrorCode::kModelUnsupportedVersion},
               {11, 79, "79 mel filters"},
               {12, 200, "mel filters of 200 values"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.number);
    expect_error(Pieces().set(Kind::kDim, "", c.number, c.value), c.code, c.message);
  }
  for (const std::int32_t width : {0, -64, 65, 8256}) {
    expect_error(Pieces().set(Kind::kDim, "", 2, width).set(Kind::kDim, "", 6, width), ErrorCode::kModelBadShape,
                 "expected a multiple of 64 up to 8192");
  }
  expect_error(Pieces().set(Kind::kDim, "", 3, 2).set(Kind::kDim, "", 7, 2), ErrorCode::kModelBadShape,
               "2 attention heads, expected 1");
}

TEST(GgmlReader, TheVocabularyIsChecked) {
  expect_error(Pieces().set(Kind::kCount, "", 0, 0), ErrorCode::kModelBadVocabulary, "a vocabulary of 0 tokens");
  expect_error(Pieces().set(Kind::kCount, "", 0, -1), ErrorCode::kModelBadVocabulary, "expected 1 to 20");
  expect_error(Pieces().set(Kind::kCount, "", 0, 21), ErrorCode::kModelBadVocabulary, "expected 1 to 20");
  expect_error(Pieces().set(Kind::kLength, "", 0, 1025), ErrorCode::kModelBadVocabulary, "token 0 has 1025 bytes");
  expect_error(Pieces().set(Kind::kLength, "", 0, -1), ErrorCode::kModelBadVocabulary, "expected at most 1024");
  Pieces cut;
  cut.file.bytes.resize(cut.field(Kind::kCount, "").offset + 6);
  expect_error(cut.set(Kind::kCount, "", 0, 20), ErrorCode::kModelTruncated, "20 tokens are announced");
}

TEST(GgmlReader, EveryFieldOfATensorIsChecked) {
  const std::string name = "decoder.blocks.0.mlp.0.weight";  // [256, 64], so its first dimension in the file is 64
  const struct {
    Kind kind;
    int nth;
    std::int32_t value;
    ErrorCode code;
    const char* message;
  } cases[] = {
      {Kind::kRank, 0, 0, ErrorCode::kModelBadShape, "a tensor of 0 dimensions"},
      {Kind::kRank, 0, 5, ErrorCode::kModelBadShape, "a tensor of 5 dimensions"},
      {Kind::kRank, 0, -1, ErrorCode::kModelBadShape, "a tensor of -1 dimensions"},
      {Kind::kLength, 0, 0, ErrorCode::kModelBadName, "name of 0 bytes"},
      {Kind::kLength, 0, -1, ErrorCode::kModelBadName, "name of -1 bytes"},
      {Kind::kLength, 0, 513, ErrorCode::kModelBadName, "expected 1 to 512"},
      {Kind::kText, 0, 0x20616161, ErrorCode::kModelBadName, "not printable ASCII"},
      {Kind::kText, 0, 0x61616161, ErrorCode::kModelMissingVariable, name.c_str()},
      {Kind::kType, 0, 4, ErrorCode::kModelBadType, "ggml's type 4"},
      {Kind::kType, 0, 9, ErrorCode::kModelBadType, "ggml's type 9"},
      {Kind::kType, 0, -1, ErrorCode::kModelBadType, "ggml's type -1"},
      {Kind::kType, 0, 14, ErrorCode::kModelBadShape, "rows of 64 values, but q6_K needs a multiple of 256"},
      {Kind::kDim, 0, 0, ErrorCode::kModelBadShape, "a dimension of 0"},
      {Kind::kDim, 0, -1, ErrorCode::kModelBadShape, "expected 1 to 4294967295"},
      {Kind::kDim, 1, 1 << 28, ErrorCode::kModelBadShape, "values so far"},
      {Kind::kDim, 0, 48, ErrorCode::kModelBadShape, "rows of 48 values, but q8_0 needs a multiple of 32"},
      {Kind::kDim, 1, 1 << 25, ErrorCode::kModelTruncated, "the file ends within decoder.blocks.0.mlp.0.weight"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.message);
    expect_error(Pieces().set(c.kind, name, c.nth, c.value), c.code, c.message);
  }
}

TEST(GgmlReader, EveryTensorIsNeededOnce) {
  const Pieces good;
  for (std::size_t i = 0; i < good.tensors.size(); ++i) {
    Pieces fewer = good;
    const std::string name = fewer.tensors[i].name;
    fewer.tensors.erase(fewer.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    fewer.join();
    expect_error(fewer, ErrorCode::kModelMissingVariable, name + " is missing");
  }
  Pieces twice = good;
  twice.tensors.push_back(twice.at("decoder.ln.bias"));
  twice.join();
  expect_error(twice, ErrorCode::kModelDuplicateVariable, "a second tensor decoder.ln.bias");
  Pieces more = good;
  more.tensors.push_back(more.at("decoder.ln.bias"));
  more.tensors.back().name = "decoder.ln.scale";
  more.join();
  expect_error(more, ErrorCode::kModelUnknownVariable, "decoder.ln.scale is not a part of Whisper");
}

TEST(GgmlReader, VectorsAndPositionsAreFiniteFloats) {
  const Pieces good;
  int checked = 0;
  for (std::size_t i = 0; i < good.tensors.size(); ++i) {
    const GeneratedTensor& tensor = good.tensors[i];
    if (tensor.shape.size() != 1 && tensor.name.find("positional") == std::string::npos) continue;
    ++checked;
    Pieces infinite = good;
    const float bad = -std::numeric_limits<float>::infinity();
    std::memcpy(infinite.tensors[i].bytes.data() + tensor.bytes.size() - sizeof(bad), &bad, sizeof(bad));
    infinite.join();
    expect_error(infinite, ErrorCode::kModelBadValue, tensor.name);
    if (tensor.name.ends_with("conv1.bias") || tensor.name.ends_with("conv2.bias")) continue;  // rows of one value
    Pieces quantised = good;
    quantised.tensors[i].type = DataType::kQ8_0;
    quantised.tensors[i].bytes.resize(tensor.bytes.size() / 4 / 32 * 34);
    quantised.join();
    expect_error(quantised, ErrorCode::kModelBadType, tensor.name + " is q8_0, expected float32");
  }
  EXPECT_EQ(checked, 31);
}

TEST(GgmlReader, TruncationAtEveryFieldIsFound) {
  const Pieces good;
  for (const auto& f : good.file.fields) {
    for (const std::size_t size : {f.offset, f.offset + f.size / 2, f.offset + f.size - 1}) {
      const auto weights = parse_ggml(std::span(good.file.bytes).first(size), "m");
      ASSERT_FALSE(weights.ok());
      // A file that ends between two tensors lacks the rest of them.
      const bool between = f.kind == Kind::kRank && size == f.offset;
      EXPECT_EQ(error_name(weights.error().code),
                error_name(between ? ErrorCode::kModelMissingVariable : ErrorCode::kModelTruncated))
          << size << ": " << weights.error().message;
    }
  }
}

/// Every header field of a whole model, overwritten with extreme values, is found or harmless; never a crash.
TEST(GgmlReader, NoHeaderFieldIsTrusted) {
  Pieces pieces;
  auto& bytes = pieces.file.bytes;
  for (const auto& f : pieces.file.fields) {
    if (f.kind == Kind::kData || f.variable.empty()) continue;  // the header's have their own test
    const std::vector<std::byte> saved(bytes.begin() + static_cast<std::ptrdiff_t>(f.offset),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(f.offset + f.size));
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::memset(bytes.data() + f.offset, value, f.size);
      if (std::equal(saved.begin(), saved.end(), bytes.begin() + static_cast<std::ptrdiff_t>(f.offset))) continue;
      EXPECT_FALSE(pieces.read().ok()) << f.variable << " at " << f.offset << " value " << value;
    }
    std::copy(saved.begin(), saved.end(), bytes.begin() + static_cast<std::ptrdiff_t>(f.offset));
  }
  EXPECT_TRUE(pieces.read().ok());
}

TEST(GgmlReader, ReadsAFile) {
  const std::string path = ::testing::TempDir() + "/stenod_ggml_test.bin";
  ASSERT_TRUE(write_generated_ggml(path, tiny_model()).ok());
  const auto weights = read_ggml(path);
  ASSERT_TRUE(weights.ok()) << weights.error().message;
  EXPECT_EQ(weights->storage->size(), 1U);
  EXPECT_FALSE(first_non_finite(weights->encoder_positions).has_value());
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_EQ(read_ggml(path).error().code, ErrorCode::kModelTruncated);
  std::filesystem::remove(path);
  EXPECT_EQ(read_ggml(path).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace stenod::models
