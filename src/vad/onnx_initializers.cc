#include "vad/onnx_initializers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace stenod::vad {
namespace {

// Field numbers of onnx.proto.
constexpr std::uint64_t kModelGraph = 7;
constexpr std::uint64_t kGraphInitializer = 5;
constexpr std::uint64_t kTensorDims = 1;
constexpr std::uint64_t kTensorDataType = 2;
constexpr std::uint64_t kTensorFloatData = 4;
constexpr std::uint64_t kTensorName = 8;
constexpr std::uint64_t kTensorRawData = 9;
constexpr std::uint64_t kTensorExternalData = 13;
constexpr std::uint64_t kTensorDataLocation = 14;
constexpr std::int64_t kTypeFloat = 1;

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  std::uint64_t wire_type = 0;
  std::uint64_t value = 0;           ///< of a varint
  std::span<const std::byte> bytes;  ///< of every other type
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append_floats(std::span<const std::byte> bytes, std::vector<float>& values) {
  const std::size_t old_size = values.size();
  values.resize(old_size + bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(values.data() + old_size, bytes.data(), bytes.size());
}

}  // namespace

/// Reads fields one after the other; offsets in messages are from the start of the file.
class OnnxInitializers::Parser {
 public:
  Parser(std::span<const std::byte> file, OnnxInitializers& result) : file_(file), result_(result) {}

  Status parse_model() {
    std::span<const std::byte> rest = file_;
    bool has_graph = false;
    while (!rest.empty()) {
      STENOD_ASSIGN_OR_RETURN(const Field field, next_field(rest));
      if (field.number != kModelGraph) continue;
      if (has_graph) return fail(ErrorCode::kOnnxMalformed, "a second graph", field.bytes);
      has_graph = true;
      STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "graph"));
      STENOD_RETURN_IF_ERROR(parse_graph(field.bytes));
    }
    if (!has_graph) return fail(ErrorCode::kOnnxNoGraph, "no graph, so this is not an ONNX model", file_.last(0));
    return {};
  }

 private:
  Status parse_graph(std::span<const std::byte> rest) {
    while (!rest.empty()) {
      STENOD_ASSIGN_OR_RETURN(const Field field, next_field(rest));
      if (field.number != kGraphInitializer) continue;
      STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "initializer"));
      if (result_.tensors_.size() == kMaxTensors) {
        return fail(ErrorCode::kOnnxTooLarge, fmt::format("more than {} tensors", kMaxTensors), field.bytes);
      }
      STENOD_ASSIGN_OR_RETURN(Tensor tensor, parse_tensor(field.bytes));
      std::string name = tensor.name;
      if (!result_.tensors_.try_emplace(std::move(name), std::move(tensor)).second) {
        return fail(ErrorCode::kOnnxTensorDuplicate, "a second tensor of the same name", field.bytes);
      }
    }
    return {};
  }

  Result<Tensor> parse_tensor(std::span<const std::byte> rest) {
    Tensor tensor;
    while (!rest.empty()) {
      STENOD_ASSIGN_OR_RETURN(const Field field, next_field(rest));
      switch (field.number) {
        case kTensorDims:
          STENOD_RETURN_IF_ERROR(parse_dims(field, tensor));
          break;
        case kTensorDataType:
          STENOD_RETURN_IF_ERROR(expect(field, kVarint, "data_type"));
          tensor.data_type = static_cast<std::int64_t>(field.value);
          break;
        case kTensorFloatData:
          // Packed in one piece, or each value a field of its own.
          if (field.wire_type != kFixed32) STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "float_data"));
          if (field.bytes.size() % sizeof(float) != 0) {
            return fail(ErrorCode::kOnnxMalformed, "float_data that is not a whole number of floats", field.bytes);
          }
          append_floats(field.bytes, tensor.float_data);
          break;
        case kTensorName:
          STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "name"));
          tensor.name = as_text(field.bytes);
          break;
        case kTensorRawData:
          STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "raw_data"));
          tensor.raw_data = field.bytes;
          break;
        case kTensorExternalData:
        case kTensorDataLocation:
          tensor.external = field.number == kTensorExternalData || field.value != 0;
          break;
        default:
          break;
      }
    }
    return tensor;
  }

  Status parse_dims(const Field& field, Tensor& tensor) {
    if (field.wire_type == kVarint) return add_dim(field.value, field.bytes, tensor);
    STENOD_RETURN_IF_ERROR(expect(field, kLengthDelimited, "dims"));
    std::span<const std::byte> rest = field.bytes;
    while (!rest.empty()) {
      STENOD_ASSIGN_OR_RETURN(const std::uint64_t dim, next_varint(rest));
      STENOD_RETURN_IF_ERROR(add_dim(dim, rest, tensor));
    }
    return {};
  }

  Status add_dim(std::uint64_t dim, std::span<const std::byte> at, Tensor& tensor) {
    if (tensor.dims.size() == kMaxRank) {
      return fail(ErrorCode::kOnnxTensorShape, fmt::format("more than {} dimensions", kMaxRank), at);
    }
    // No tensor can have more values than the largest file has bytes; together with that, products can't overflow.
    std::uint64_t product = dim;
    for (const std::int64_t other : tensor.dims) product *= static_cast<std::uint64_t>(other);
    if (dim > kMaxFileBytes || product > kMaxFileBytes) {
      return fail(ErrorCode::kOnnxTensorShape, fmt::format("a tensor of more than {} values", kMaxFileBytes), at);
    }
    tensor.dims.push_back(static_cast<std::int64_t>(dim));
    return {};
  }

  Result<Field> next_field(std::span<const std::byte>& rest) {
    STENOD_ASSIGN_OR_RETURN(const std::uint64_t tag, next_varint(rest));
    Field field{.number = tag >> 3, .wire_type = tag & 7, .value = 0, .bytes = rest.first(0)};
    if (field.number == 0 || field.number > 0x1fffffff) {
      return fail(ErrorCode::kOnnxMalformed, fmt::format("field number {}", field.number), rest);
    }
    std::uint64_t length = 0;
    switch (field.wire_type) {
      case kVarint: {
        STENOD_ASSIGN_OR_RETURN(field.value, next_varint(rest));
        return field;
      }
      case kFixed64:
        length = 8;
        break;
      case kLengthDelimited: {
        STENOD_ASSIGN_OR_RETURN(length, next_varint(rest));
        break;
      }
      case kFixed32:
        length = 4;
        break;
      default:
        return fail(ErrorCode::kOnnxMalformed, fmt::format("wire type {}", field.wire_type), rest);
    }
    if (length > rest.size()) {
      return fail(ErrorCode::kOnnxTruncated, fmt::format("a field of {} bytes where {} are left", length, rest.size()),
                  rest);
    }
    field.bytes = rest.first(length);
    rest = rest.subspan(length);
    return field;
  }

  Result<std::uint64_t> next_varint(std::span<const std::byte>& rest) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 10; ++i) {
      if (i == rest.size()) return fail(ErrorCode::kOnnxTruncated, "a number that is cut off", rest);
      const auto byte = std::to_integer<std::uint64_t>(rest[i]);
      if (i == 9 && byte > 1) break;
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest = rest.subspan(i + 1);
        return value;
      }
    }
    return fail(ErrorCode::kOnnxMalformed, "a number of more than 64 bits", rest);
  }

  Status expect(const Field& field, WireType wire_type, std::string_view name) {
    if (field.wire_type == wire_type) return {};
    return fail(ErrorCode::kOnnxMalformed,
                fmt::format("{} has wire type {}, expected {}", name, field.wire_type, static_cast<int>(wire_type)),
                field.bytes);
  }

  Error fail(ErrorCode code, std::string_view what, std::span<const std::byte> at) const {
    return {code,
            fmt::format("{}: at byte {}: {}; the file is damaged or is no ONNX model, download it again",
                        result_.file_name_, at.data() - file_.data(), what),
            result_.file_name_};
  }

  std::span<const std::byte> file_;
  OnnxInitializers& result_;
};

Result<OnnxInitializers> OnnxInitializers::parse(std::span<const std::byte> file, std::string file_name) {
  if (file.size() > kMaxFileBytes) {
    return Error{ErrorCode::kOnnxTooLarge,
                 fmt::format("{}: {} bytes, expected at most {}", file_name, file.size(), kMaxFileBytes), file_name};
  }
  OnnxInitializers result(std::move(file_name));
  STENOD_RETURN_IF_ERROR(Parser(file, result).parse_model());
  return result;
}

Result<std::vector<float>> OnnxInitializers::read(std::string_view name, std::span<const std::int64_t> shape) const {
  const auto fail = [&](ErrorCode code, const std::string& what) {
    return Error{code, fmt::format("{}: tensor '{}': {}", file_name_, name, what), file_name_};
  };
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(ErrorCode::kOnnxTensorMissing, "not in the file; use the model file that the documentation names");
  }
  const Tensor& tensor = found->second;
  if (tensor.data_type != kTypeFloat) {
    return fail(ErrorCode::kOnnxTensorType, fmt::format("data type {}, expected float32 (1)", tensor.data_type));
  }
  if (!std::equal(tensor.dims.begin(), tensor.dims.end(), shape.begin(), shape.end())) {
    return fail(ErrorCode::kOnnxTensorShape,
                fmt::format("shape [{}], expected [{}]", fmt::join(tensor.dims, ", "), fmt::join(shape, ", ")));
  }
  if (tensor.external) return fail(ErrorCode::kOnnxTensorData, "its values are in another file, expected in this one");

  std::vector<float> values = tensor.float_data;
  if (values.empty() && tensor.raw_data.size() % sizeof(float) == 0) append_floats(tensor.raw_data, values);
  std::size_t count = 1;
  for (const std::int64_t dim : tensor.dims) count *= static_cast<std::size_t>(dim);
  if (values.size() != count || (!tensor.float_data.empty() && !tensor.raw_data.empty())) {
    return fail(ErrorCode::kOnnxTensorData,
                fmt::format("{} bytes of raw data and {} floats, expected {} values in one of them",
                            tensor.raw_data.size(), tensor.float_data.size(), count));
  }
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    return fail(ErrorCode::kOnnxTensorNotFinite, "a value that is not a finite number; the file is damaged");
  }
  return values;
}

}  // namespace stenod::vad
