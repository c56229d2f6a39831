#include "whisper/packed_model.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "whisper/tensor_rows.h"

namespace stenod::whisper {
namespace {

using models::LinearView;
using models::TensorView;

std::vector<float> divided(std::vector<float> values, std::span<const float> divisors) {
  for (std::size_t i = 0; i < divisors.size(); ++i) values[i] /= divisors[i];
  return values;
}

}  // namespace

/// Fills a PackedModel step by step; the first error sticks, so that the steps can be written as plain assignments.
class ModelPacker {
 public:
  ModelPacker(compute::Backend& backend, compute::ComputeType type, PackedModel& model)
      : backend_(backend), type_(type), model_(model) {}

  const float* values(const TensorView& tensor) { return upload(read_all(tensor)); }

  const float* upload(const std::vector<float>& host) {
    auto buffer = backend_.allocate(host.size() * sizeof(float));
    if (!buffer) {
      fail(std::move(buffer).error());
      return nullptr;
    }
    backend_.upload((*buffer)->data(), host.data(), host.size() * sizeof(float));
    model_.buffers_.push_back(std::move(*buffer));
    return model_.buffers_.back()->as<float>();
  }

  compute::LayerNorm norm(const models::LayerNormView& view, std::span<const float> divisors = {}) {
    return {upload(divided(read_all(view.gamma), divisors)), upload(divided(read_all(view.beta), divisors))};
  }

  /// Factors by which the columns of `parts` are multiplied, and the norm before them divided, without changing their
  /// product. int8 rounds each row of inputs, and each row of weights, in steps of its largest value; a few columns
  /// whose inputs are far larger than all others would cost the others their precision. So both sides meet half way
  /// (SmoothQuant, arXiv 2211.10438; here without data: a norm's outputs are about as large as its gamma and beta say).
  std::vector<float> balance(const models::LayerNormView& norm, std::span<const LinearView> parts) const {
    if (type_ != compute::ComputeType::kInt8) return {};
    constexpr float kTypicalPeak = 3;  // standard deviations
    const std::vector<float> gamma = read_all(norm.gamma), beta = read_all(norm.beta);
    std::vector<float> largest(gamma.size(), 0.0f), row(gamma.size());
    for (const LinearView& part : parts) {
      for (std::int64_t r = 0; r < part.weight.shape[0]; ++r) {
        read_row(part.weight, r, row);
        for (std::size_t c = 0; c < row.size(); ++c) largest[c] = std::max(largest[c], std::abs(row[c]));
      }
    }
    std::vector<float> factors(gamma.size());
    for (std::size_t c = 0; c < factors.size(); ++c) {
      const float inputs = kTypicalPeak * std::abs(gamma[c]) + std::abs(beta[c]);
      const bool usable = inputs > 1e-6f && largest[c] > 1e-6f;
      factors[c] = usable ? std::sqrt(inputs / largest[c]) : 1.0f;
    }
    return factors;
  }

  /// `factors`: of the columns, as balance() gives them; none where empty.
  PackedModel::Linear linear(std::span<const LinearView> parts, std::span<const float> factors = {}) {
    std::int64_t outputs = 0;
    std::vector<float> bias;
    for (const LinearView& part : parts) {
      // A part without a bias among others has zeros.
      if (part.bias) {
        bias.resize(static_cast<std::size_t>(outputs));
        const std::vector<float> values = read_all(*part.bias);
        bias.insert(bias.end(), values.begin(), values.end());
      }
      outputs += part.weight.shape[0];
    }
    if (!bias.empty()) bias.resize(static_cast<std::size_t>(outputs));
    return pack(outputs, parts.front().weight.shape[1], bias, type_,
                [parts, factors](std::int64_t row, std::span<float> out) {
                  const LinearView* part = parts.data();
                  for (; row >= part->weight.shape[0]; ++part) row -= part->weight.shape[0];
                  read_row(part->weight, row, out);
                  for (std::size_t c = 0; c < factors.size(); ++c) out[c] *= factors[c];
                });
  }

  PackedModel::Linear linear(const LinearView& view, std::span<const float> factors = {}) {
    return linear(std::span(&view, 1), factors);
  }

  /// A norm and the product that alone reads its result.
  void norm_and_linear(const models::LayerNormView& norm_view, std::span<const LinearView> parts,
                       compute::LayerNorm& to_norm, PackedModel::Linear& to_linear) {
    const std::vector<float> factors = balance(norm_view, parts);
    to_norm = norm(norm_view, factors);
    to_linear = linear(parts, factors);
  }

  void norm_and_linear(const models::LayerNormView& norm_view, const LinearView& view, compute::LayerNorm& to_norm,
                       PackedModel::Linear& to_linear) {
    norm_and_linear(norm_view, std::span(&view, 1), to_norm, to_linear);
  }

  /// [out, channels, 3] -> [out, 3 * channels]: the order in which consecutive frames lie in memory. In float32: what
  /// goes in spans decades, and what it costs is small.
  PackedModel::Linear convolution(const TensorView& weight, const TensorView& bias) {
    const std::int64_t channels = weight.shape[1];
    std::vector<float> plain(static_cast<std::size_t>(channels * 3));
    return pack(weight.shape[0], channels * 3, read_all(bias), compute::ComputeType::kFloat32,
                [&](std::int64_t row, std::span<float> out) {
                  read_row(weight, row, plain);
                  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
                    for (std::size_t k = 0; k < 3; ++k)
                      out[k * static_cast<std::size_t>(channels) + c] = plain[c * 3 + k];
                  }
                });
  }

  Status status() const { return error_ ? Status(*error_) : Status(); }

 private:
  template <typename ReadRow>
  PackedModel::Linear pack(std::int64_t outputs, std::int64_t inputs, std::span<const float> bias,
                           compute::ComputeType type, const ReadRow& read) {
    auto packed = backend_.pack({outputs, inputs, read, bias}, type);
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
    packer.norm_and_linear(layer.self_attention_norm, layer.qkv, to.self_attention_norm, to.qkv);
    to.self_attention_output = packer.linear(layer.self_attention_output);
    packer.norm_and_linear(layer.mlp_norm, layer.mlp_up, to.mlp_norm, to.mlp_up);
    to.mlp_down = packer.linear(layer.mlp_down);
  }
  model.encoder_norm = packer.norm(from.encoder_norm);
  for (const models::DecoderLayerView& layer : from.decoder_layers) {
    STENOD_RETURN_IF_ERROR(packer.status());
    DecoderLayer& to = model.decoder_layers.emplace_back();
    packer.norm_and_linear(layer.self_attention_norm, layer.qkv, to.self_attention_norm, to.qkv);
    to.self_attention_output = packer.linear(layer.self_attention_output);
    packer.norm_and_linear(layer.cross_attention_norm, layer.cross_query, to.cross_attention_norm, to.cross_query);
    to.cross_key_value = packer.linear(layer.cross_key_value);
    to.cross_output = packer.linear(layer.cross_output);
    packer.norm_and_linear(layer.mlp_norm, layer.mlp_up, to.mlp_norm, to.mlp_up);
    to.mlp_down = packer.linear(layer.mlp_down);
  }
  packer.norm_and_linear(from.decoder_norm, LinearView{from.token_embedding, {}}, model.decoder_norm,
                         model.token_logits);
  STENOD_RETURN_IF_ERROR(packer.status());
  // From here on only rows of the token embedding are read.
  if (from.storage != nullptr) {
    for (const MappedFile& file : *from.storage) file.release_pages();
  }
  return model;
}

void PackedModel::read_token_embedding(int token, std::span<float> row) const {
  read_row(weights.token_embedding, token, row);
}

void PackedModel::read_decoder_position(int position, std::span<float> row) const {
  read_row(weights.decoder_positions, position, row);
}

}  // namespace stenod::whisper
