#include "models/whisper_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
