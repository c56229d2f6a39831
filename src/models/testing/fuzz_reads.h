#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/result.h"
#include "models/data_type.h"
#include "models/testing/generated_model.h"
#include "models/whisper_weights.h"

namespace stenod::models::testing {

/// Reads the ends of what a view promises: beyond the file's memory, the address sanitizer stops it.
inline void touch(const TensorView& tensor) {
  static volatile std::uint64_t sum_of_reads = 0;
  std::size_t count = 1;
  for (const auto dim : tensor.shape) count *= static_cast<std::size_t>(dim);
  if (tensor.bytes.size() != data_bytes(tensor.type, count)) std::abort();
  if (static_cast<std::size_t>(tensor.shape.back()) % block_size(tensor.type).values != 0) std::abort();
  sum_of_reads =
      sum_of_reads + static_cast<std::uint8_t>(tensor.bytes.front()) + static_cast<std::uint8_t>(tensor.bytes.back());
  if (tensor.type == DataType::kInt8) {
    if (tensor.scales.size() != static_cast<std::size_t>(tensor.shape[0]) * sizeof(float)) std::abort();
    sum_of_reads = sum_of_reads + static_cast<std::uint8_t>(tensor.scales.back());
  }
}

inline void touch(const LinearView& linear) {
  touch(linear.weight);
  if (linear.bias) touch(*linear.bias);
}

/// For fuzz targets: what was read must be usable, and an error must say something.
inline void check_read(const Result<WhisperWeights>& weights) {
  if (!weights) {
    if (weights.error().message.empty() || weights.error().param.empty()) std::abort();
    return;
  }
  touch(weights->conv1_weight);
  touch(weights->token_embedding);
  touch(weights->decoder_positions);
  for (const auto& layer : weights->encoder_layers) {
    for (const auto& part : layer.qkv) touch(part);
    touch(layer.mlp_norm.gamma);
  }
  for (const auto& layer : weights->decoder_layers) {
    touch(layer.mlp_down);
    for (const auto& part : layer.cross_key_value) touch(part);
  }
  for (const auto& [layer, head] : weights->generation.alignment_heads) {
    if (layer >= weights->dims.num_decoder_layers || head >= weights->dims.num_heads) std::abort();
  }
}

/// A valid file with edits, so that the checks behind its container's are reached without the fuzzer having to invent
/// half a megabyte. Each edit is u16 field, u8 operation, u8 length, that many bytes.
inline std::vector<std::byte> edited(const GeneratedFile& file, std::span<const std::byte> edits) {
  std::vector<std::byte> bytes = file.bytes;
  while (edits.size() >= 4) {
    std::uint16_t index;
    std::memcpy(&index, edits.data(), sizeof(index));
    const GeneratedField& field = file.fields[index % file.fields.size()];
    const auto operation = static_cast<unsigned>(edits[2]) % 4;
    const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(edits[3]), edits.size() - 4);
    const auto value = edits.subspan(4, length);
    edits = edits.subspan(4 + length);
    if (field.offset >= bytes.size()) continue;
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(field.offset);
    if (operation == 0) {  // overwrite
      const auto room = static_cast<std::size_t>(bytes.end() - at);
      std::copy_n(value.begin(), std::min(length, room), at);
    } else if (operation == 1) {  // insert
      bytes.insert(at, value.begin(), value.end());
    } else if (operation == 2) {  // remove
      bytes.erase(at, at + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(field.size), bytes.end() - at));
    } else {  // cut
      bytes.resize(field.offset);
    }
  }
  return bytes;
}

}  // namespace stenod::models::testing
