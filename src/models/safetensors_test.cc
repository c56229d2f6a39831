#include "models/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "models/testing/generated_forms.h"

namespace stenod::models {
namespace {

using testing::join_safetensors;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kGood =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )";

std::vector<std::byte> file_of(std::string_view header, std::size_t data_size = 16) {
  return join_safetensors(header, std::vector<std::byte>(data_size));
}

void expect_error(std::span<const std::byte> file, ErrorCode code, const std::string& message_part) {
  NamedTensors tensors;
  const Status status = parse_safetensors(file, "x/m.safetensors", tensors);
  ASSERT_FALSE(status.ok()) << "expected " << error_name(code) << " " << message_part;
  EXPECT_EQ(error_name(status.error().code), error_name(code)) << status.error().message;
  EXPECT_THAT(status.error().message, HasSubstr("x/m.safetensors: "));
  EXPECT_THAT(status.error().message, HasSubstr(message_part));
  EXPECT_EQ(status.error().param, "x/m.safetensors");
}

TEST(Safetensors, ReadsTensors) {
  auto file = file_of(kGood);
  NamedTensors tensors;
  const Status status = parse_safetensors(file, "m", tensors);
  ASSERT_TRUE(status.ok()) << status.error().message;
  ASSERT_EQ(tensors.size(), 2U);
  const NamedTensor& a = tensors.at("a");
  EXPECT_EQ(a.view.type, DataType::kFloat16);
  EXPECT_THAT(a.view.shape, ElementsAre(2, 3));
  EXPECT_EQ(a.view.bytes.size(), 12U);
  EXPECT_EQ(a.view.bytes.data(), file.data() + a.offset);
  EXPECT_EQ(a.offset, file.size() - 12);
  EXPECT_EQ(a.file, "m");
  EXPECT_THAT(tensors.at("b").view.shape, ElementsAre());
}

TEST(Safetensors, EveryPrefixIsAnError) {
  const auto file = file_of(kGood);
  for (std::size_t size = 0; size < file.size(); ++size) {
    NamedTensors tensors;
    const Status status = parse_safetensors(std::span(file).first(size), "m", tensors);
    ASSERT_FALSE(status.ok()) << size;
    EXPECT_TRUE(status.error().code == ErrorCode::kModelTruncated || status.error().code == ErrorCode::kModelBadOffsets)
        << size << ": " << status.error().message;
  }
}

TEST(Safetensors, TheHeadersLengthIsNotTrusted) {
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, (std::uint64_t{16} << 20) + 1, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    auto file = file_of(kGood);
    std::memcpy(file.data(), &length, sizeof(length));
    expect_error(file, ErrorCode::kModelBadHeader, "expected 2 to 16777216");
  }
  auto longer = file_of(kGood);
  const std::uint64_t length = longer.size();
  std::memcpy(longer.data(), &length, sizeof(length));
  expect_error(longer, ErrorCode::kModelTruncated, "the file ends within the header");
  expect_error(file_of("[]"), ErrorCode::kModelBadMagic, "not a safetensors file");
  expect_error(file_of("{\"a\":"), ErrorCode::kJsonMalformed, "in the header: at byte");
  expect_error(file_of("{} {}"), ErrorCode::kJsonMalformed, "in the header");
}

TEST(Safetensors, EachKindOfFaultHasItsCode) {
  const struct {
    const char* header;
    ErrorCode code;
    const char* message;
    std::size_t data_size = 16;
  } cases[] = {
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
       ErrorCode::kJsonDuplicateKey, "the key \"a\" is there twice"},
      {R"({"a":{"dtype":"F32","shape":[4],"shape":[4],"data_offsets":[0,16]}})", ErrorCode::kJsonDuplicateKey,
       "\"shape\""},
      {R"({"__metadata__":[]})", ErrorCode::kModelBadHeader, "__metadata__", 0},
      {R"({"__metadata__":{"a":1}})", ErrorCode::kModelBadHeader, "__metadata__", 0},
      {R"({"a":7})", ErrorCode::kModelBadHeader, "a needs a dtype"},
      {R"({"a":{"shape":[4],"data_offsets":[0,16]}})", ErrorCode::kModelBadHeader, "needs a dtype"},
      {R"({"a":{"dtype":1,"shape":[4],"data_offsets":[0,16]}})", ErrorCode::kModelBadHeader, "needs a dtype"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,16]}})", ErrorCode::kModelBadHeader, "a shape"},
      {R"({"a":{"dtype":"F32","shape":4,"data_offsets":[0,16]}})", ErrorCode::kModelBadHeader, "a shape"},
      {R"({"a":{"dtype":"F32","shape":[4]}})", ErrorCode::kModelBadHeader, "two data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8,16]}})", ErrorCode::kModelBadHeader, "two data_offsets"},
      {R"({"":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", ErrorCode::kModelBadName, "printable"},
      {R"({"a\n":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", ErrorCode::kModelBadName, "printable"},
      {R"({"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})", ErrorCode::kModelBadType, "\"I64\""},
      {R"({"a":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]}})", ErrorCode::kModelBadType, "expected F32"},
      {R"({"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}})", ErrorCode::kModelBadShape, "[-4]"},
      {R"({"a":{"dtype":"F32","shape":[4.5],"data_offsets":[0,16]}})", ErrorCode::kModelBadShape, "expected at most 8"},
      {R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", ErrorCode::kModelBadShape, "[0]", 0},
      {R"({"a":{"dtype":"F32","shape":[65536,65536,4],"data_offsets":[0,16]}})", ErrorCode::kModelBadShape, "65536"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", ErrorCode::kModelBadShape, "",
       0},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,16]}})", ErrorCode::kModelBadShape, ""},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,16]}})", ErrorCode::kModelBadShape,
       "8 dim"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,17]}})", ErrorCode::kModelBadOffsets,
       "within the 16 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}})", ErrorCode::kModelBadOffsets, "within"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[-1,15]}})", ErrorCode::kModelBadOffsets, "within"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":["0",16]}})", ErrorCode::kModelBadOffsets, "within"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[18446744073709551608,8]}})", ErrorCode::kModelBadOffsets, ""},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}})", ErrorCode::kModelBadSize,
       "shape and type need 12"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       ErrorCode::kModelBadOffsets, "b begins at 8, where 12 was expected: it overlaps"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
       ErrorCode::kModelBadOffsets, "it overlaps another tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       ErrorCode::kModelBadOffsets, "there is a gap before it"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})", ErrorCode::kModelBadOffsets, "a gap"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})", ErrorCode::kModelTrailingBytes,
       "4 bytes that belong"},
      {R"({})", ErrorCode::kModelTrailingBytes, "16 bytes that belong"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.header);
    expect_error(file_of(c.header, c.data_size), c.code, c.message);
  }
  const std::string long_name(513, 'a');
  expect_error(file_of("{\"" + long_name + R"(":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})"),
               ErrorCode::kModelBadName, "longer than 512");
}

TEST(Safetensors, ATensorIsInOneFileOnly) {
  const auto file = file_of(kGood);
  NamedTensors tensors;
  ASSERT_TRUE(parse_safetensors(file, "first", tensors).ok());
  const Status status = parse_safetensors(file, "second", tensors);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kModelDuplicateVariable);
  EXPECT_THAT(status.error().message, HasSubstr("is in first too"));
}

TEST(SafetensorsIndex, NamesTheFileOfEachTensor) {
  const auto index = parse_safetensors_index(
      R"({"metadata":{"total_size":1},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})", "i");
  ASSERT_TRUE(index.ok()) << index.error().message;
  EXPECT_THAT(*index, ElementsAre(std::pair("a", "m-1.safetensors"), std::pair("b", "m-2.safetensors")));
}

TEST(SafetensorsIndex, RefusesEachKindOfDamage) {
  const std::pair<const char*, ErrorCode> cases[] = {
      {"{", ErrorCode::kJsonMalformed},
      {"[]", ErrorCode::kModelBadHeader},
      {"{}", ErrorCode::kModelBadIndex},
      {R"({"weight_map":[]})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})", ErrorCode::kJsonDuplicateKey},
      {R"({"weight_map":{"a":"x.safetensors"},"weight_map":{}})", ErrorCode::kJsonDuplicateKey},
      {R"({"weight_map":{"a b":"x.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":7}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":""}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"/etc/x.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"../x.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"sub/x.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"..\\x.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":".safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"x\u0000.safetensors"}})", ErrorCode::kModelBadIndex},
      {R"({"weight_map":{"a":"passwd"}})", ErrorCode::kModelBadIndex}};
  for (const auto& [text, code] : cases) {
    const auto index = parse_safetensors_index(text, "i.json");
    ASSERT_FALSE(index.ok()) << text;
    EXPECT_EQ(error_name(index.error().code), error_name(code)) << text;
    EXPECT_THAT(index.error().message, HasSubstr("i.json: "));
    EXPECT_EQ(index.error().param, "i.json");
  }
  std::string many = R"({"weight_map":{"a":"0.safetensors")";
  for (int i = 0; i < 256; ++i) many += ",\"" + std::to_string(i) + "\":\"" + std::to_string(i + 1) + ".safetensors\"";
  const auto index = parse_safetensors_index(many + "}}", "i.json");
  ASSERT_FALSE(index.ok());
  EXPECT_THAT(index.error().message, HasSubstr("more than 256 files"));
}

TEST(SafetensorsIndex, MustFitTheFiles) {
  NamedTensors tensors;
  tensors["a"].file = "m/x.safetensors";
  EXPECT_TRUE(check_against_index(tensors, {{"a", "x.safetensors"}}, "i").ok());
  const auto message = [&](const SafetensorsIndex& index) {
    const Status status = check_against_index(tensors, index, "i");
    EXPECT_FALSE(status.ok());
    if (status.ok()) return std::string();
    EXPECT_EQ(status.error().code, ErrorCode::kModelBadIndex);
    return status.error().message;
  };
  EXPECT_THAT(message({{"a", "y.safetensors"}}), HasSubstr("a should be in y.safetensors, but is in x.safetensors"));
  EXPECT_THAT(message({{"a", "x.safetensors"}, {"b", "x.safetensors"}}), HasSubstr("b should be in x.safetensors"));
  EXPECT_THAT(message({{"b", "x.safetensors"}}), HasSubstr("b should be in"));
  EXPECT_THAT(message({}), HasSubstr("a, which m/x.safetensors holds, is not named"));
}

}  // namespace
}  // namespace stenod::models
