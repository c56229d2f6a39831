#include "models/whisper_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace stenod::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

WhisperDims small_dims(int vocab_size) {
  WhisperDims dims;
  dims.d_model = 128;
  dims.num_heads = 2;
  dims.num_encoder_layers = dims.num_decoder_layers = 3;
  dims.vocab_size = vocab_size;
  return dims;
}

TEST(WhisperConfig, ReadsWhatIsThere) {
  const auto config = parse_whisper_config(
      R"({"suppress_ids":[1,7],"suppress_ids_begin":[220,50257],"lang_ids":"not read",
          "alignment_heads":[[2,1],[0,0]],"something":{"new":true}})",
      small_dims(51865), "config.json");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_THAT(config->suppress_tokens, ElementsAre(1, 7));
  EXPECT_THAT(config->suppress_begin_tokens, ElementsAre(220, 50257));
  EXPECT_THAT(config->alignment_heads, ElementsAre(Pair(2, 1), Pair(0, 0)));
}

TEST(WhisperConfig, HasDefaults) {
  for (const char* text : {"{}", R"({"alignment_heads":null,"suppress_ids":null})"}) {
    const auto config = parse_whisper_config(text, small_dims(51866), "config.json");
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_THAT(config->suppress_tokens, IsEmpty());
    EXPECT_THAT(config->suppress_begin_tokens, IsEmpty());
    EXPECT_THAT(config->alignment_heads, ElementsAre(Pair(1, 0), Pair(1, 1), Pair(2, 0), Pair(2, 1)));
  }
}

TEST(WhisperConfig, RefusesEachKindOfDamage) {
  const struct {
    const char* text;
    ErrorCode code;
    const char* message;
  } cases[] = {
      {"", ErrorCode::kJsonMalformed, "not valid JSON"},
      {"{\"a\":", ErrorCode::kJsonMalformed, "not valid JSON"},
      {"[]", ErrorCode::kModelBadConfig, "expected a JSON object"},
      {R"({"suppress_ids":7})", ErrorCode::kModelBadConfig, "suppress_ids is no array"},
      {R"({"suppress_ids":[-1]})", ErrorCode::kModelBadConfig,
       "suppress_ids[0] is -1, expected a token number from 0 to 51864"},
      {R"({"suppress_ids":[0,51865]})", ErrorCode::kModelBadConfig, "suppress_ids[1] is 51865"},
      {R"({"suppress_ids":[1.5]})", ErrorCode::kModelBadConfig, "suppress_ids[0]"},
      {R"({"suppress_ids":["1"]})", ErrorCode::kModelBadConfig, "suppress_ids[0] is \"1\""},
      {R"({"suppress_ids":[18446744073709551615]})", ErrorCode::kModelBadConfig, "suppress_ids[0]"},
      {R"({"suppress_ids_begin":[51865]})", ErrorCode::kModelBadConfig, "suppress_ids_begin[0]"},
      {R"({"suppress_ids_begin":[4294967297]})", ErrorCode::kModelBadConfig, "suppress_ids_begin[0]"},
      {R"({"suppress_ids_begin":{"en":1}})", ErrorCode::kModelBadConfig, "suppress_ids_begin is no array"},
      {R"({"alignment_heads":[1]})", ErrorCode::kModelBadConfig, "alignment_heads[0] is 1"},
      {R"({"alignment_heads":[[1]]})", ErrorCode::kModelBadConfig, "alignment_heads[0] is [1]"},
      {R"({"alignment_heads":[[1,0,0]]})", ErrorCode::kModelBadConfig, "alignment_heads[0]"},
      {R"({"alignment_heads":[[0,0],[3,0]]})", ErrorCode::kModelBadConfig,
       "alignment_heads[1] is [3,0], expected [layer 0 to 2"},
      {R"({"alignment_heads":[[0,2]]})", ErrorCode::kModelBadConfig, "head 0 to 1"},
      {R"({"alignment_heads":[[0,-1]]})", ErrorCode::kModelBadConfig, "alignment_heads[0]"},
      {R"({"alignment_heads":[[0,1],[0,1]]})", ErrorCode::kModelBadConfig, "names [0,1] twice"},
  };
  for (const auto& c : cases) {
    const auto config = parse_whisper_config(c.text, small_dims(51865), "m/config.json");
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_EQ(error_name(config.error().code), error_name(c.code)) << c.text;
    EXPECT_THAT(config.error().message, HasSubstr(c.message));
    EXPECT_THAT(config.error().message, HasSubstr("m/config.json: "));
    EXPECT_EQ(config.error().param, "m/config.json");
  }
}

constexpr const char* kHuggingFace =
    R"({"model_type":"whisper","d_model":1280,"encoder_layers":32,"decoder_layers":4,"encoder_attention_heads":20,
        "decoder_attention_heads":20,"encoder_ffn_dim":5120,"decoder_ffn_dim":5120,"num_mel_bins":128,
        "vocab_size":51866,"max_source_positions":1500,"max_target_positions":448,"activation_function":"gelu",
        "scale_embedding":false,"torch_dtype":"float16"})";

TEST(HuggingFaceConfig, ReadsTheSizes) {
  const auto dims = parse_huggingface_dims(kHuggingFace, "config.json");
  ASSERT_TRUE(dims.ok()) << dims.error().message;
  EXPECT_EQ(dims->d_model, 1280);
  EXPECT_EQ(dims->num_heads, 20);
  EXPECT_EQ(dims->num_encoder_layers, 32);
  EXPECT_EQ(dims->num_decoder_layers, 4);
  EXPECT_EQ(dims->mlp_size, 5120);
  EXPECT_EQ(dims->num_mels, 128);
  EXPECT_EQ(dims->vocab_size, 51866);
}

TEST(HuggingFaceConfig, HasDefaults) {
  json::object object = json::parse(kHuggingFace).as_object();
  for (const char* key : {"model_type", "num_mel_bins", "max_source_positions", "max_target_positions",
                          "encoder_ffn_dim", "decoder_ffn_dim", "activation_function", "scale_embedding"}) {
    object.erase(key);
  }
  const auto dims = parse_huggingface_dims(json::serialize(object), "config.json");
  ASSERT_TRUE(dims.ok()) << dims.error().message;
  EXPECT_EQ(dims->num_mels, 80);
  EXPECT_EQ(dims->mlp_size, 5120);
}

TEST(HuggingFaceConfig, RefusesEachKindOfDamage) {
  const struct {
    const char* key;
    const char* value;  ///< null: the member is taken away
    ErrorCode code;
    const char* message;
  } cases[] = {
      {"d_model", nullptr, ErrorCode::kModelBadConfig, "d_model is missing, expected a size"},
      {"d_model", "\"1280\"", ErrorCode::kModelBadConfig, "d_model is \"1280\""},
      {"d_model", "-64", ErrorCode::kModelBadConfig, "d_model is -64"},
      {"d_model", "4294967296", ErrorCode::kModelBadConfig, "d_model is 4294967296"},
      {"d_model", "1281", ErrorCode::kModelBadShape, "a width of 1281"},
      {"d_model", "2147483584", ErrorCode::kModelBadShape, "a width of 2147483584"},
      {"d_model", "0", ErrorCode::kModelBadShape, "a width of 0"},
      {"encoder_layers", nullptr, ErrorCode::kModelBadConfig, "encoder_layers is missing"},
      {"encoder_layers", "0", ErrorCode::kModelBadShape, "0 layers, expected 1 to 128"},
      {"decoder_layers", "129", ErrorCode::kModelBadShape, "129 layers"},
      {"encoder_attention_heads", "16", ErrorCode::kModelBadConfig, "decoder_attention_heads is 20, expected 16"},
      {"decoder_attention_heads", "16", ErrorCode::kModelBadConfig, "decoder_attention_heads is 16, expected 20"},
      {"encoder_ffn_dim", "5121", ErrorCode::kModelBadConfig, "decoder_ffn_dim is 5120, expected 5121"},
      {"vocab_size", "1048577", ErrorCode::kModelBadShape, "1048577 tokens"},
      {"num_mel_bins", "64", ErrorCode::kModelBadShape, "64 mel bins"},
      {"max_source_positions", "3000", ErrorCode::kModelBadShape, "3000 positions of audio"},
      {"max_target_positions", "1024", ErrorCode::kModelBadShape, "1024 of text"},
      {"model_type", "\"wav2vec2\"", ErrorCode::kModelBadConfig, "model_type is \"wav2vec2\", expected \"whisper\""},
      {"activation_function", "\"relu\"", ErrorCode::kModelBadConfig, "activation_function"},
      {"scale_embedding", "true", ErrorCode::kModelBadConfig, "scale_embedding is true"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.key);
    json::object object = json::parse(kHuggingFace).as_object();
    object.erase(c.key);
    if (c.value != nullptr) object[c.key] = json::parse(c.value);
    const auto dims = parse_huggingface_dims(json::serialize(object), "m/config.json");
    ASSERT_FALSE(dims.ok());
    EXPECT_EQ(error_name(dims.error().code), error_name(c.code)) << dims.error().message;
    EXPECT_THAT(dims.error().message, HasSubstr(c.message));
    EXPECT_EQ(dims.error().param, "m/config.json");
  }
  EXPECT_EQ(parse_huggingface_dims("{", "c").error().code, ErrorCode::kJsonMalformed);
  EXPECT_EQ(parse_huggingface_dims("[]", "c").error().code, ErrorCode::kModelBadConfig);
}

TEST(PreprocessorConfig, MustAgreeWithTheWeights) {
  EXPECT_TRUE(check_preprocessor_config(R"({"feature_size":128})", 128, "p.json").ok());
  EXPECT_TRUE(check_preprocessor_config(R"({"n_fft":400})", 80, "p.json").ok());
  for (const char* text : {R"({"feature_size":80})", R"({"feature_size":"128"})", R"({"feature_size":128.5})", "[]"}) {
    const auto status = check_preprocessor_config(text, 128, "p.json");
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kModelBadConfig) << text;
  }
  EXPECT_EQ(check_preprocessor_config("{", 80, "p.json").error().code, ErrorCode::kJsonMalformed);
}

}  // namespace
}  // namespace stenod::models
