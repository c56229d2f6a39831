#include "whisper/packed_model.h"

#include <cstring>
#include <optional>
#include <utility>

namespace stenod::whisper {
namespace {

using models::DataType;
using models::TensorView;

/// Row `row` of a tensor seen as [first dimension, everything else], as float32. The file's bytes may be unaligned.
void read_row(const TensorView& tensor, std::int64_t row, std::span<float> out) {
  const std::size_t first = static_cast<std::size_t>(row) * out.size();
  const std::byte* const bytes = tensor.bytes.data();
  switch (tensor.type) {
    case DataType::kFloat32:
      std::memcpy(out.data(), bytes + first * sizeof(float), out.size_bytes());
      return;
    case DataType::kFloat16: {
      // In pieces through the stack: rows are long, and reading them must not allocate.
      std::uint16_t halves[512];
      for (std::size_t i = 0; i < out.size(); i += std::size(halves)) {
        const std::size_t count = std::min(std::size(halves), out.size() - i);
        std::memcpy(halves, bytes + (first + i) * sizeof(std::uint16_t), count * sizeof(std::uint16_t));
        compute::halves_to_floats({halves, count}, out.subspan(i, count));
      }
      return;
    }
    case DataType::kBFloat16:
      for (std::size_t i = 0; i < out.size(); ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, bytes + (first + i) * sizeof(bits), sizeof(bits));
        out[i] = compute::bfloat16_to_float(bits);
      }
      return;
    case DataType::kInt8: {
      float scale;
      std::memcpy(&scale, tensor.scales.data() + static_cast<std::size_t>(row) * sizeof(float), sizeof(float));
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<float>(static_cast<std::int8_t>(bytes[first + i])) / scale;
      }
      return;
    }
  }
}

std::vector<float> read_all(const TensorView& tensor) {
  std::size_t count = 1;
  for (const std::int64_t n : tensor.shape) count *= static_cast<std::size_t>(n);
  std::vector<float> values(count);
  const std::size_t rows = tensor.type == DataType::kInt8 ? static_cast<std::size_t>(tensor.shape.at(0)) : 1;
  for (std::size_t r = 0; r < rows; ++r) {
    read_row(tensor, static_cast<std::int64_t>(r), std::span(values).subspan(r * (count / rows), count / rows));
  }
  return values;
}

}  // namespace

/// Fills a PackedModel step by step; the first error sticks, so that the steps can be written as plain assignments.
class ModelPacker {
 public:
  ModelPacker(compute::Backend& backend, compute::ComputeType type, PackedModel& model)
      : backend_(backend), type_(type), model_(model) {}

  const float* values(const TensorView& tensor) {
    const std::vector<float> host = read_all(tensor);
    auto buffer = backend_.allocate(host.size() * sizeof(float));
    if (!buffer) {
      fail(std::move(buffer).error());
      return nullptr;
    }
    backend_.upload((*buffer)->data(), host.data(), host.size() * sizeof(float));
    model_.buffers_.push_back(std::move(*buffer));
    return model_.buffers_.back()->as<float>();
  }

  compute::LayerNorm norm(const models::LayerNormView& view) { return {values(view.gamma), values(view.beta)}; }

  PackedModel::Linear linear(const TensorView& weight, const TensorView* bias) {
    return pack(weight.shape[0], weight.shape[1], bias, type_,
                [&weight](std::int64_t row, std::span<float> out) { read_row(weight, row, out); });
  }

  PackedModel::Linear linear(const models::LinearView& view) {
    return linear(view.weight, view.bias ? &*view.bias : nullptr);
  }

  /// [out, channels, 3] -> [out, 3 * channels]: the order in which consecutive frames lie in memory. In float32: what
  /// goes in spans decades, and what it costs is small.
  PackedModel::Linear convolution(const TensorView& weight, const TensorView& bias) {
    const std::int64_t channels = weight.shape[1];
    std::vector<float> plain(static_cast<std::size_t>(channels * 3));
    return pack(weight.shape[0], channels * 3, &bias, compute::ComputeType::kFloat32,
                [&](std::int64_t row, std::span<float> out) {
                  read_row(weight, row, plain);
                  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
                    for (std::size_t k = 0; k < 3; ++k) out[k * static_cast<std::size_t>(channels) + c] = plain[c * 3 + k];
                  }
                });
  }

  Status status() const { return error_ ? Status(*error_) : Status(); }

 private:
  template <typename ReadRow>
  PackedModel::Linear pack(std::int64_t outputs, std::int64_t inputs, const TensorView* bias, compute::ComputeType type,
                           const ReadRow& read) {
    const std::vector<float> bias_values = bias != nullptr ? read_all(*bias) : std::vector<float>();
    auto packed = backend_.pack({outputs, inputs, read, bias_values}, type);
    if (packed) return std::move(*packed);
    fail(std::move(packed).error());
    return nullptr;
  }

  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }

  compute::Backend& backend_;
  compute::ComputeType type_;
  PackedModel& model_;
  std::optional<Error> error_;
};

Result<PackedModel> PackedModel::load(compute::Backend& backend, models::WhisperWeights weights,
                                      compute::ComputeType type) {
  PackedModel model;
  model.weights = std::move(weights);
  const models::WhisperWeights& from = model.weights;
  ModelPacker packer(backend, type, model);

  model.conv1 = packer.convolution(from.conv1_weight, from.conv1_bias);
  model.conv2 = packer.convolution(from.conv2_weight, from.conv2_bias);
  model.encoder_positions = packer.values(from.encoder_positions);
  for (const models::EncoderLayerView& layer : from.encoder_layers) {
    STENOD_RETURN_IF_ERROR(packer.status());
    EncoderLayer& to = model.encoder_layers.emplace_back();
    to.self_attention_norm = packer.norm(layer.self_attention_norm);
    to.qkv = packer.linear(layer.qkv);
    to.self_attention_output = packer.linear(layer.self_attention_output);
    to.mlp_norm = packer.norm(layer.mlp_norm);
    to.mlp_up = packer.linear(layer.mlp_up);
    to.mlp_down = packer.linear(layer.mlp_down);
  }
  model.encoder_norm = packer.norm(from.encoder_norm);
  for (const models::DecoderLayerView& layer : from.decoder_layers) {
    STENOD_RETURN_IF_ERROR(packer.status());
    DecoderLayer& to = model.decoder_layers.emplace_back();
    to.self_attention_norm = packer.norm(layer.self_attention_norm);
    to.qkv = packer.linear(layer.qkv);
    to.self_attention_output = packer.linear(layer.self_attention_output);
    to.cross_attention_norm = packer.norm(layer.cross_attention_norm);
    to.cross_query = packer.linear(layer.cross_query);
    to.cross_key_value = packer.linear(layer.cross_key_value);
    to.cross_output = packer.linear(layer.cross_output);
    to.mlp_norm = packer.norm(layer.mlp_norm);
    to.mlp_up = packer.linear(layer.mlp_up);
    to.mlp_down = packer.linear(layer.mlp_down);
  }
  model.decoder_norm = packer.norm(from.decoder_norm);
  model.token_logits = packer.linear(from.token_embedding, nullptr);
  STENOD_RETURN_IF_ERROR(packer.status());
  // From here on only rows of the token embedding are read.
  if (from.storage != nullptr) from.storage->release_pages();
  return model;
}

void PackedModel::read_token_embedding(int token, std::span<float> row) const {
  read_row(weights.token_embedding, token, row);
}

void PackedModel::read_decoder_position(int position, std::span<float> row) const {
  read_row(weights.decoder_positions, position, row);
}

}  // namespace stenod::whisper
