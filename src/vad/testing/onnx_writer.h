#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Writes the little of protobuf that an ONNX file with constant tensors needs.
namespace stenod::vad::testing {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

inline std::string tag(std::uint64_t number, std::uint64_t wire_type) { return varint(number << 3 | wire_type); }
inline std::string number_field(std::uint64_t number, std::uint64_t value) { return tag(number, 0) + varint(value); }
inline std::string bytes_field(std::uint64_t number, std::string_view bytes) {
  return tag(number, 2) + varint(bytes.size()) + std::string(bytes);
}

inline std::string raw_floats(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

inline std::string dims_fields(std::span<const std::int64_t> dims) {
  std::string bytes;
  for (const std::int64_t dim : dims) bytes += number_field(1, static_cast<std::uint64_t>(dim));
  return bytes;
}

/// A TensorProto as field `initializer` of a graph.
inline std::string initializer(std::string_view name, std::span<const std::int64_t> dims,
                               std::span<const float> values) {
  return bytes_field(
      5, dims_fields(dims) + number_field(2, 1) + bytes_field(8, name) + bytes_field(9, raw_floats(values)));
}

/// A ModelProto whose graph consists of these fields.
inline std::string model(std::string_view graph_fields) {
  return number_field(1, 8) + bytes_field(2, "test") + bytes_field(7, graph_fields);
}

}  // namespace stenod::vad::testing
