#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace stenod::vad {

/// The named constant tensors (`ModelProto.graph.initializer`) of an ONNX file; nothing else of the file is looked at.
///
/// Only the protobuf wire format of the few fields needed is read (https://protobuf.dev/programming-guides/encoding,
/// onnx/onnx.proto); a file is untrusted, every length is checked against what is left before it is used. Values are
/// little-endian in the file, as on the machines this runs on.
class OnnxInitializers {
 public:
  static constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;
  static constexpr std::size_t kMaxTensors = 1024;
  static constexpr std::size_t kMaxRank = 8;

  /// Indexes the tensors in `file`, which must outlive the object. `file_name` is for messages.
  /// Errors: kOnnxTooLarge, kOnnxTruncated, kOnnxMalformed, kOnnxNoGraph, kOnnxTensorDuplicate, kOnnxTensorShape
  /// (impossible dimensions).
  static Result<OnnxInitializers> parse(std::span<const std::byte> file, std::string file_name);

  /// The values of the float32 tensor `name`, row-major, all finite. Errors: kOnnxTensorMissing, kOnnxTensorType,
  /// kOnnxTensorShape (not `shape`), kOnnxTensorData (other number of values than the shape says, or values kept
  /// outside the file), kOnnxTensorNotFinite.
  Result<std::vector<float>> read(std::string_view name, std::span<const std::int64_t> shape) const;

  std::size_t size() const { return tensors_.size(); }

 private:
  struct Tensor {
    std::string name;
    std::vector<std::int64_t> dims;
    std::int64_t data_type = 0;
    bool external = false;
    std::span<const std::byte> raw_data;
    std::vector<float> float_data;
  };
  class Parser;

  explicit OnnxInitializers(std::string file_name) : file_name_(std::move(file_name)) {}

  std::string file_name_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace stenod::vad
