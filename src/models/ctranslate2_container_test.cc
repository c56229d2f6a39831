#include "models/ctranslate2_container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "models/testing/generated_model.h"

namespace stenod::models {
namespace {

using testing::Ct2Writer;
using testing::GeneratedField;
using testing::GeneratedFile;
using Kind = GeneratedField::Kind;
using ::testing::HasSubstr;

constexpr std::uint8_t kFloat32 = 0;
constexpr std::uint8_t kInt8 = 1;

/// Two variables with scales and an alias.
GeneratedFile small_file() {
  Ct2Writer writer;
  writer.begin_variables(3);
  writer.variable("a/weight", {2, 3}, kInt8, std::vector<std::byte>(6, std::byte{7}));
  writer.variable("a/weight_scale", {2}, kFloat32, std::vector<std::byte>(8));
  writer.variable("b", {}, kFloat32, std::vector<std::byte>(4));
  writer.begin_aliases(1);
  writer.alias("c/weight", "a/weight");
  return std::move(writer).finish();
}

const GeneratedField& field(const GeneratedFile& file, Kind kind, std::string_view variable = "", int nth = 0) {
  for (const auto& f : file.fields) {
    if (f.kind == kind && f.variable == variable && nth-- == 0) return f;
  }
  throw std::logic_error("no such field");
}

/// small_file() with the start of a field overwritten.
template <typename T>
std::vector<std::byte> with_field(Kind kind, std::string_view variable, int nth, T value) {
  GeneratedFile file = small_file();
  std::memcpy(file.bytes.data() + field(file, kind, variable, nth).offset, &value, sizeof(value));
  return file.bytes;
}

void expect_error(std::span<const std::byte> bytes, ErrorCode code, const std::string& message_part) {
  const auto result = parse_ct2_container(bytes, "x/model.bin");
  ASSERT_FALSE(result.ok()) << "expected " << error_name(code);
  EXPECT_EQ(error_name(result.error().code), error_name(code)) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("x/model.bin: at byte "));
  EXPECT_THAT(result.error().message, HasSubstr(message_part));
  EXPECT_EQ(result.error().param, "x/model.bin");
}

TEST(Ct2Container, ReadsVariablesAndAliases) {
  const GeneratedFile file = small_file();
  const auto container = parse_ct2_container(file.bytes, "x/model.bin");
  ASSERT_TRUE(container.ok()) << container.error().message;
  EXPECT_EQ(container->spec, "WhisperSpec");
  EXPECT_EQ(container->revision, 3U);
  ASSERT_EQ(container->variables.size(), 3U);
  const Ct2Variable* weight = container->find("a/weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_THAT(weight->shape, ::testing::ElementsAre(2, 3));
  EXPECT_EQ(weight->type, Ct2Type::kInt8);
  EXPECT_EQ(weight->bytes.size(), 6U);
  EXPECT_EQ(weight->bytes.data(), file.bytes.data() + weight->offset);
  EXPECT_EQ(container->find("c/weight"), weight);
  EXPECT_EQ(container->find("c/weight_scale"), container->find("a/weight_scale"));
  EXPECT_NE(container->find("a/weight_scale"), nullptr);
  EXPECT_EQ(container->find("d/weight"), nullptr);
  EXPECT_EQ(container->find("d/weight_scale"), nullptr);
}

TEST(Ct2Container, EveryPrefixIsAnErrorThatSaysWhere) {
  const GeneratedFile file = small_file();
  for (std::size_t size = 0; size < file.bytes.size(); ++size) {
    // Copied, so that the address sanitizer sees a read beyond the end.
    const std::vector<std::byte> prefix(file.bytes.begin(), file.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto result = parse_ct2_container(prefix, "x/model.bin");
    ASSERT_FALSE(result.ok()) << size;
    // Right after a count, what is missing is seen as a count that is too high.
    EXPECT_TRUE(result.error().code == ErrorCode::kModelTruncated || result.error().code == ErrorCode::kModelBadCount)
        << size << ": " << result.error().message;
  }
}

TEST(Ct2Container, TruncationNamesTheField) {
  Ct2Writer writer;
  writer.begin_variables(1);
  writer.variable("a_long_enough_name", {2, 3}, kInt8, std::vector<std::byte>(6));
  const GeneratedFile file = std::move(writer).finish();
  const std::pair<Kind, const char*> cases[] = {{Kind::kText, "the file ends within a variable's name"},
                                                {Kind::kRank, "the file ends within the rank of a_long"},
                                                {Kind::kDim, "the file ends within the shape of a_long"},
                                                {Kind::kType, "the file ends within the type of a_long"},
                                                {Kind::kSize, "the file ends within the size of a_long"},
                                                {Kind::kData, "the file ends within the data of a_long"}};
  for (const auto& [kind, message] : cases) {
    const auto& f = field(file, kind, "a_long_enough_name");
    expect_error(std::span(file.bytes).first(f.offset + f.size - 1), ErrorCode::kModelTruncated, message);
  }
  expect_error(file.bytes, ErrorCode::kModelTruncated, "the file ends within the number of aliases");
  expect_error({}, ErrorCode::kModelTruncated, "the file ends within the format version");
}

TEST(Ct2Container, RefusesEachKindOfDamage) {
  const auto u32 = [](std::uint32_t v) { return v; };
  expect_error(with_field(Kind::kVersion, "", 0, u32(0x46554747)), ErrorCode::kModelBadMagic,
               "not a CTranslate2 model");
  expect_error(with_field(Kind::kVersion, "", 0, u32(0)), ErrorCode::kModelBadMagic, "not a CTranslate2 model");
  expect_error(with_field(Kind::kVersion, "", 0, u32(5)), ErrorCode::kModelUnsupportedVersion,
               "format version 5, expected 6");
  expect_error(with_field(Kind::kVersion, "", 0, u32(7)), ErrorCode::kModelUnsupportedVersion,
               "format version 7, expected 6");
  expect_error(with_field(Kind::kCount, "", 0, u32(0xffffffff)), ErrorCode::kModelBadCount, "number of variables");
  expect_error(with_field(Kind::kCount, "", 1, u32(2)), ErrorCode::kModelTruncated, "alias");
  expect_error(with_field(Kind::kCount, "", 1, u32(0x10000000)), ErrorCode::kModelBadCount, "number of aliases");
  expect_error(with_field(Kind::kCount, "", 1, u32(0)), ErrorCode::kModelTrailingBytes, "after the last field");

  expect_error(with_field(Kind::kLength, "b", 0, std::uint16_t{0}), ErrorCode::kModelBadName, "0 bytes");
  expect_error(with_field(Kind::kLength, "b", 0, std::uint16_t{1}), ErrorCode::kModelBadName, "1 bytes");
  expect_error(with_field(Kind::kLength, "b", 0, std::uint16_t{0xffff}), ErrorCode::kModelBadName, "65535 bytes");
  expect_error(with_field(Kind::kText, "b", 0, std::uint16_t{0x6262}), ErrorCode::kModelBadName,
               "does not end with NUL");
  expect_error(with_field(Kind::kText, "b", 0, std::uint8_t{0}), ErrorCode::kModelBadName, "not printable");
  expect_error(with_field(Kind::kText, "b", 0, std::uint8_t{0xc3}), ErrorCode::kModelBadName, "not printable");
  expect_error(with_field(Kind::kLength, "", 0, std::uint16_t{300}), ErrorCode::kModelTruncated,
               "specification's name");

  expect_error(with_field(Kind::kRank, "a/weight", 0, std::uint8_t{9}), ErrorCode::kModelBadShape, "9 dimensions");
  expect_error(with_field(Kind::kDim, "a/weight", 0, u32(0)), ErrorCode::kModelBadShape, "dimension of 0");
  expect_error(with_field(Kind::kType, "b", 0, std::uint8_t{6}), ErrorCode::kModelBadType, "data type number 6");
  expect_error(with_field(Kind::kType, "b", 0, std::uint8_t{255}), ErrorCode::kModelBadType, "data type number 255");
  expect_error(with_field(Kind::kType, "b", 0, kInt8), ErrorCode::kModelBadSize, "4 bytes");
  expect_error(with_field(Kind::kDim, "a/weight", 1, u32(4)), ErrorCode::kModelBadSize,
               "6 bytes, but its shape and type need 8");
  expect_error(with_field(Kind::kSize, "b", 0, u32(3)), ErrorCode::kModelBadSize, "3 bytes");
  expect_error(with_field(Kind::kSize, "b", 0, u32(0xffffffff)), ErrorCode::kModelBadSize, "4294967295 bytes");
}

TEST(Ct2Container, ManyEntriesAreRefusedEvenIfTheyFit) {
  Ct2Writer writer;
  writer.begin_variables(100000);
  auto file = std::move(writer).finish();
  file.bytes.resize(file.bytes.size() + 100000 * 16);
  expect_error(file.bytes, ErrorCode::kModelBadCount, "is 100000, expected at most 65536");
}

TEST(Ct2Container, ProductsThatOverflowAreRefused) {
  // 2^16 x 2^16 x 2^32-ish wraps around 64 bits in no step, and 2^32 values of 1 byte wrap the 32-bit size to 0.
  for (const std::vector<std::uint32_t>& shape : {std::vector<std::uint32_t>{0x10000, 0x10000},
                                                  {0xffffffff, 0xffffffff, 0xffffffff},
                                                  {0x80000000, 2, 0x80000000}}) {
    Ct2Writer writer;
    writer.begin_variables(1);
    writer.variable("a", shape, kInt8, {});
    writer.begin_aliases(0);
    expect_error(std::move(writer).finish().bytes, ErrorCode::kModelBadShape, "values so far");
  }
  // 2^30 + 1 float32 values: 4 bytes too many for 32 bits.
  Ct2Writer writer;
  writer.begin_variables(1);
  writer.variable("a", {0x40000001}, kFloat32, std::vector<std::byte>(4));
  writer.begin_aliases(0);
  expect_error(std::move(writer).finish().bytes, ErrorCode::kModelBadSize, "need 4294967300");
}

TEST(Ct2Container, NamesAreUnique) {
  Ct2Writer twice;
  twice.begin_variables(2);
  twice.variable("a", {}, kInt8, std::vector<std::byte>(1));
  twice.variable("a", {}, kInt8, std::vector<std::byte>(1));
  twice.begin_aliases(0);
  expect_error(std::move(twice).finish().bytes, ErrorCode::kModelDuplicateVariable, "a second variable named a");

  for (const auto& names : {std::pair("a", "b"), std::pair("b", "b")}) {
    Ct2Writer writer;
    writer.begin_variables(1);
    writer.variable("a", {}, kInt8, std::vector<std::byte>(1));
    writer.begin_aliases(2);
    writer.alias(names.first, "a");
    writer.alias(names.second, "a");
    expect_error(std::move(writer).finish().bytes, ErrorCode::kModelDuplicateVariable, "is taken already");
  }
}

TEST(Ct2Container, AliasesStandForVariablesOnly) {
  // To nothing; to itself; in a circle; to another alias.
  const std::vector<std::vector<std::pair<std::string, std::string>>> cases = {
      {{"x", "nothing"}}, {{"x", "x"}}, {{"x", "y"}, {"y", "x"}}, {{"x", "a"}, {"y", "x"}}};
  for (const auto& aliases : cases) {
    Ct2Writer writer;
    writer.begin_variables(1);
    writer.variable("a", {}, kInt8, std::vector<std::byte>(1));
    writer.begin_aliases(static_cast<std::uint32_t>(aliases.size()));
    for (const auto& [name, target] : aliases) writer.alias(name, target);
    expect_error(std::move(writer).finish().bytes, ErrorCode::kModelBadAlias, "which is no variable");
  }
}

TEST(Ct2Container, NothingMayFollow) {
  GeneratedFile file = small_file();
  file.bytes.push_back(std::byte{0});
  expect_error(file.bytes, ErrorCode::kModelTrailingBytes, "1 bytes after the last field");
}

}  // namespace
}  // namespace stenod::models
