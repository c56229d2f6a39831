#include "vad/onnx_initializers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "vad/testing/onnx_writer.h"

namespace stenod::vad {
namespace {

using testing::bytes_field;
using testing::dims_fields;
using testing::initializer;
using testing::model;
using testing::number_field;
using testing::raw_floats;
using testing::tag;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kShape[] = {2, 3};
constexpr std::int64_t kTransposed[] = {3, 2};
constexpr std::int64_t kFlat[] = {6};
constexpr std::int64_t kTrailing[] = {2, 3, 1};
constexpr float kValues[] = {1, 2, 3, 4, 5, 6};

Result<OnnxInitializers> parse(std::string_view file) {
  return OnnxInitializers::parse(std::as_bytes(std::span(file)), "some.onnx");
}

/// What is wrong with the file, or with reading tensor "a" of shape [2, 3] from it.
std::string failure(std::string_view file) {
  const auto tensors = parse(file);
  if (!tensors) return std::string(error_name(tensors.error().code));
  const auto values = tensors->read("a", kShape);
  return values ? "none" : std::string(error_name(values.error().code));
}

/// A file with one tensor made of these fields, beside name, type and shape.
std::string with_data(const std::string& fields) {
  return model(bytes_field(5, dims_fields(kShape) + number_field(2, 1) + bytes_field(8, "a") + fields));
}

std::string with_dims(std::initializer_list<std::int64_t> dims) {
  return model(bytes_field(5, dims_fields(std::span(dims.begin(), dims.size())) + bytes_field(8, "a")));
}

const std::string kGood = model(initializer("a", kShape, kValues));

TEST(OnnxInitializers, ReadsRawData) {
  const std::string file = model(initializer("b", {}, std::span(kValues).first(1)) + initializer("a", kShape, kValues));
  const auto tensors = parse(file);
  ASSERT_TRUE(tensors) << tensors.error().message;
  EXPECT_EQ(tensors->size(), 2U);
  const auto values = tensors->read("a", kShape);
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_THAT(*values, ElementsAre(1, 2, 3, 4, 5, 6));
  const auto scalar = tensors->read("b", {});
  ASSERT_TRUE(scalar) << scalar.error().message;
  EXPECT_THAT(*scalar, ElementsAre(1));
}

TEST(OnnxInitializers, ReadsFloatDataPackedAndUnpacked) {
  const std::string raw = raw_floats(kValues);
  std::string unpacked;
  for (std::size_t i = 0; i < raw.size(); i += 4) unpacked += tag(4, 5) + raw.substr(i, 4);
  for (const std::string& fields : {bytes_field(4, raw), unpacked}) {
    const std::string file = with_data(fields);
    const auto tensors = parse(file);
    ASSERT_TRUE(tensors) << tensors.error().message;
    const auto values = tensors->read("a", kShape);
    ASSERT_TRUE(values) << values.error().message;
    EXPECT_THAT(*values, ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST(OnnxInitializers, ReadsPackedDimensionsAndSkipsUnknownFields) {
  const std::string unknown =
      number_field(100, ~std::uint64_t{0}) + tag(101, 1) + "12345678" + tag(102, 5) + "1234" + bytes_field(103, "xyz");
  const std::string tensor = unknown + bytes_field(1, "\x02\x03") + number_field(2, 1) + bytes_field(8, "a") +
                             bytes_field(9, raw_floats(kValues));
  EXPECT_EQ(failure(unknown + bytes_field(7, unknown + bytes_field(5, tensor)) + unknown), "none");
}

TEST(OnnxInitializers, MessageNamesFilePlaceAndRemedy) {
  const auto tensors = parse(kGood.substr(0, kGood.size() - 1));
  ASSERT_FALSE(tensors);
  EXPECT_THAT(tensors.error().message, HasSubstr("some.onnx: at byte 10: a field of 37 bytes where 36 are left"));
  EXPECT_THAT(tensors.error().message, HasSubstr("download it again"));

  const std::string file = model(initializer("a", kTransposed, kValues));
  const auto index = parse(file);
  ASSERT_TRUE(index);
  const auto values = index->read("a", kShape);
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().message, "some.onnx: tensor 'a': shape [3, 2], expected [2, 3]");
}

TEST(OnnxInitializers, EveryTruncationIsAnError) {
  for (std::size_t size = 0; size < kGood.size(); ++size) {
    const std::string name = failure(std::string_view(kGood).substr(0, size));
    EXPECT_TRUE(name == "onnx_truncated" || name == "onnx_no_graph") << size << ": " << name;
  }
}

struct Fault {
  const char* what;
  std::string file;
  const char* code;
};

std::vector<Fault> faults() {
  std::string many;
  for (std::size_t i = 0; i <= OnnxInitializers::kMaxTensors; ++i)
    many += bytes_field(5, bytes_field(8, std::to_string(i)));
  std::vector<float> nan(std::begin(kValues), std::end(kValues));
  nan[5] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> infinite(std::begin(kValues), std::end(kValues));
  infinite[0] = -std::numeric_limits<float>::infinity();
  const std::string raw = raw_floats(kValues);
  const std::string nine_bytes(9, '\xff');
  return {
      {"too large", std::string(OnnxInitializers::kMaxFileBytes + 1, '\0'), "onnx_too_large"},
      {"too many tensors", model(many), "onnx_too_large"},

      {"empty", "", "onnx_no_graph"},
      {"no graph", number_field(1, 8), "onnx_no_graph"},

      {"number cut off", kGood + "\x80", "onnx_truncated"},
      {"field's value cut off", kGood + tag(1, 0), "onnx_truncated"},
      {"8 bytes cut off", kGood + tag(1, 1) + "1234567", "onnx_truncated"},
      {"4 bytes cut off", kGood + tag(1, 5) + "123", "onnx_truncated"},
      {"length beyond the file", kGood + tag(2, 2) + testing::varint(1), "onnx_truncated"},
      {"length of 2^64 - 1", kGood + tag(2, 2) + testing::varint(~std::uint64_t{0}), "onnx_truncated"},
      {"graph longer than the file", tag(7, 2) + testing::varint(1000) + "x", "onnx_truncated"},
      {"tensor longer than the graph", model(tag(5, 2) + testing::varint(3) + "xx") + "xxxx", "onnx_truncated"},
      {"packed dimensions cut off", model(bytes_field(5, bytes_field(1, "\x02\x83"))), "onnx_truncated"},

      {"number of 70 bits", kGood + tag(1, 0) + nine_bytes + "\x02", "onnx_malformed"},
      {"number of 11 bytes", kGood + tag(1, 0) + nine_bytes + "\x81\x01", "onnx_malformed"},
      {"field number 0", kGood + tag(0, 0) + "x", "onnx_malformed"},
      {"field number 2^29", kGood + tag(std::uint64_t{1} << 29, 0) + "x", "onnx_malformed"},
      {"group", kGood + tag(20, 3), "onnx_malformed"},
      {"end of group", kGood + tag(20, 4), "onnx_malformed"},
      {"wire type 6", kGood + tag(20, 6), "onnx_malformed"},
      {"wire type 7", kGood + tag(20, 7), "onnx_malformed"},
      {"two graphs", kGood + bytes_field(7, ""), "onnx_malformed"},
      {"graph of wrong wire type", number_field(7, 1), "onnx_malformed"},
      {"tensor of wrong wire type", model(number_field(5, 1)), "onnx_malformed"},
      {"dims of wrong wire type", model(bytes_field(5, tag(1, 5) + "1234")), "onnx_malformed"},
      {"data_type of wrong wire type", model(bytes_field(5, bytes_field(2, "x"))), "onnx_malformed"},
      {"float_data of wrong wire type", with_data(number_field(4, 1)), "onnx_malformed"},
      {"float_data of 8 bytes", with_data(tag(4, 1) + "12345678"), "onnx_malformed"},
      {"float_data of 5 bytes", with_data(bytes_field(4, "12345")), "onnx_malformed"},
      {"name of wrong wire type", with_data(number_field(8, 1)), "onnx_malformed"},
      {"raw_data of wrong wire type", with_data(number_field(9, 1)), "onnx_malformed"},

      {"two tensors of one name", model(initializer("a", kShape, kValues) + initializer("a", kShape, kValues)),
       "onnx_tensor_duplicate"},
      {"other tensors only", model(initializer("b", kShape, kValues)), "onnx_tensor_missing"},

      {"no type", model(bytes_field(5, dims_fields(kShape) + bytes_field(8, "a") + bytes_field(9, raw))),
       "onnx_tensor_type"},
      {"float16", with_data(number_field(2, 10) + bytes_field(9, raw)), "onnx_tensor_type"},
      {"type 2^32 + 1", with_data(number_field(2, (std::uint64_t{1} << 32) + 1) + bytes_field(9, raw)),
       "onnx_tensor_type"},

      {"transposed", model(initializer("a", kTransposed, kValues)), "onnx_tensor_shape"},
      {"flat", model(initializer("a", kFlat, kValues)), "onnx_tensor_shape"},
      {"trailing dimension", model(initializer("a", kTrailing, kValues)), "onnx_tensor_shape"},
      {"negative dimension", with_dims({-2, 3}), "onnx_tensor_shape"},
      {"two negative dimensions", with_dims({-2, -3}), "onnx_tensor_shape"},
      {"product of 2^25", with_dims({1 << 10, 1 << 10, 1 << 5}), "onnx_tensor_shape"},
      {"product of 2^64", with_dims({1 << 16, 1 << 16, 1 << 16, 1 << 16}), "onnx_tensor_shape"},
      {"product of 2^64 at once", with_dims({16, std::int64_t{1} << 60}), "onnx_tensor_shape"},
      {"nine dimensions", with_dims({1, 1, 1, 1, 1, 1, 1, 1, 1}), "onnx_tensor_shape"},

      {"no data", with_data(""), "onnx_tensor_data"},
      {"a value too few", with_data(bytes_field(9, raw.substr(4))), "onnx_tensor_data"},
      {"a value too many", with_data(bytes_field(9, raw + "1234")), "onnx_tensor_data"},
      {"bytes too many", with_data(bytes_field(9, raw + "123")), "onnx_tensor_data"},
      {"float_data too short", with_data(bytes_field(4, raw.substr(4))), "onnx_tensor_data"},
      {"data twice", with_data(bytes_field(4, raw) + bytes_field(9, raw)), "onnx_tensor_data"},
      {"external data", with_data(bytes_field(9, raw) + bytes_field(13, "")), "onnx_tensor_data"},
      {"external location", with_data(bytes_field(9, raw) + number_field(14, 1)), "onnx_tensor_data"},

      {"NaN in raw_data", with_data(bytes_field(9, raw_floats(nan))), "onnx_tensor_not_finite"},
      {"NaN in float_data", with_data(bytes_field(4, raw_floats(nan))), "onnx_tensor_not_finite"},
      {"infinity", with_data(bytes_field(9, raw_floats(infinite))), "onnx_tensor_not_finite"},
  };
}

TEST(OnnxInitializers, EachFaultHasItsCode) {
  ASSERT_EQ(failure(kGood), "none");
  for (const Fault& fault : faults()) EXPECT_EQ(failure(fault.file), fault.code) << fault.what;
}

}  // namespace
}  // namespace stenod::vad
