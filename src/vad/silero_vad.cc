#include "vad/silero_vad.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <string>
#include <utility>

#include "base/file.h"
#include "vad/onnx_initializers.h"
#include "vad/silero_kernels.h"

namespace stenod::vad {
namespace {

constexpr std::size_t kContextSamples = std::tuple_size_v<decltype(VadState::context)>;
constexpr std::size_t kInputSamples = kContextSamples + SileroVad::kChunkSamples;
constexpr std::size_t kReflectedSamples = 64;
constexpr std::size_t kPaddedSamples = kInputSamples + kReflectedSamples;

constexpr std::size_t kFftSamples = 256;
constexpr std::size_t kHopSamples = 128;
constexpr std::size_t kNumFrames = (kPaddedSamples - kFftSamples) / kHopSamples + 1;
constexpr std::size_t kNumBins = kFftSamples / 2 + 1;
constexpr std::size_t kSpectrumStride = 272;  // real and imaginary parts, rounded up to whole panels

constexpr std::size_t kTaps = 3;
constexpr std::size_t kHidden = std::tuple_size_v<decltype(VadState::h)>;
constexpr std::size_t kGates = 4 * kHidden;

// A convolution over time with 3 taps, padding 1 and ReLU. Activations are [frame][channel], so the input of one output
// frame is one contiguous row, and each output frame is a plain product over all chunks. Taps that would meet padding
// are left out.
struct ConvLayer {
  std::size_t in_channels;
  std::size_t out_channels;
  std::size_t in_frames;
  std::size_t stride;

  std::size_t out_frames() const { return (in_frames - 1) / stride + 1; }
};
constexpr std::array<ConvLayer, 4> kLayers = {
    {{kNumBins, 128, kNumFrames, 1}, {128, 64, 4, 2}, {64, 64, 2, 2}, {64, kHidden, 1, 1}}};

// As many chunks as are computed at once: a multiple of the kernels' six rows that leaves the buffers in the L2 cache.
constexpr std::size_t kBlock = 24;

/// Weights of a convolution, [out][in][tap] in files, with the rows in the order of the activations: [tap][in].
PackedMatrix pack_convolution(const std::vector<float>& weights, const ConvLayer& layer) {
  std::vector<float> reordered(weights.size());
  for (std::size_t n = 0; n < layer.out_channels; ++n) {
    for (std::size_t channel = 0; channel < layer.in_channels; ++channel) {
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        reordered[(n * kTaps + tap) * layer.in_channels + channel] =
            weights[(n * layer.in_channels + channel) * kTaps + tap];
      }
    }
  }
  return PackedMatrix(reordered, kTaps * layer.in_channels, layer.out_channels);
}

}  // namespace

struct SileroVad::Weights {
  struct Convolution {
    PackedMatrix weights;
    std::vector<float> bias;
  };

  PackedMatrix stft;
  std::array<Convolution, kLayers.size()> convolutions;
  PackedMatrix input_gates;
  PackedMatrix hidden_gates;
  std::vector<float> gate_bias;
  std::vector<float> output;
  float output_bias = 0;
};

struct SileroVad::Scratch::Buffers {
  template <std::size_t kSize>
  using Rows = std::array<std::array<float, kSize>, kBlock>;

  Rows<kPaddedSamples> samples;
  Rows<kSpectrumStride> spectrum;
  Rows<kNumFrames * kNumBins> magnitudes;
  Rows<4 * 128> activations_a;
  Rows<2 * 64> activations_b;
  Rows<kHidden> hidden;
  Rows<kGates> gates;
};

SileroVad::Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
SileroVad::Scratch::~Scratch() = default;
SileroVad::Scratch::Scratch(Scratch&&) noexcept = default;
SileroVad::Scratch& SileroVad::Scratch::operator=(Scratch&&) noexcept = default;

SileroVad::SileroVad(std::unique_ptr<const Weights> weights) : weights_(std::move(weights)) {}
SileroVad::SileroVad(SileroVad&&) noexcept = default;
SileroVad& SileroVad::operator=(SileroVad&&) noexcept = default;
SileroVad::~SileroVad() = default;

Result<SileroVad> SileroVad::load(const std::filesystem::path& path) {
  STENOD_ASSIGN_OR_RETURN(const std::string file, read_file(path, OnnxInitializers::kMaxFileBytes));
  STENOD_ASSIGN_OR_RETURN(const OnnxInitializers tensors,
                          OnnxInitializers::parse(std::as_bytes(std::span(file)), path.string()));
  const auto read = [&](const std::string& name, std::initializer_list<std::size_t> shape) {
    return tensors.read("model." + name, std::vector<std::int64_t>(shape.begin(), shape.end()));
  };

  auto weights = std::make_unique<Weights>();
  STENOD_ASSIGN_OR_RETURN(const auto stft, read("stft.forward_basis_buffer", {2 * kNumBins, 1, kFftSamples}));
  weights->stft = PackedMatrix(stft, kFftSamples, 2 * kNumBins);
  assert(weights->stft.padded_columns() == kSpectrumStride);
  for (std::size_t i = 0; i < kLayers.size(); ++i) {
    const ConvLayer& layer = kLayers[i];
    const std::string name = "encoder." + std::to_string(i) + ".reparam_conv.";
    STENOD_ASSIGN_OR_RETURN(const auto convolution,
                            read(name + "weight", {layer.out_channels, layer.in_channels, kTaps}));
    weights->convolutions[i].weights = pack_convolution(convolution, layer);
    STENOD_ASSIGN_OR_RETURN(weights->convolutions[i].bias, read(name + "bias", {layer.out_channels}));
  }
  STENOD_ASSIGN_OR_RETURN(const auto input_gates, read("decoder.rnn.weight_ih", {kGates, kHidden}));
  weights->input_gates = PackedMatrix(input_gates, kHidden, kGates);
  STENOD_ASSIGN_OR_RETURN(const auto hidden_gates, read("decoder.rnn.weight_hh", {kGates, kHidden}));
  weights->hidden_gates = PackedMatrix(hidden_gates, kHidden, kGates);
  STENOD_ASSIGN_OR_RETURN(weights->gate_bias, read("decoder.rnn.bias_ih", {kGates}));
  STENOD_ASSIGN_OR_RETURN(const auto hidden_bias, read("decoder.rnn.bias_hh", {kGates}));
  std::transform(hidden_bias.begin(), hidden_bias.end(), weights->gate_bias.begin(), weights->gate_bias.begin(),
                 std::plus<>());
  STENOD_ASSIGN_OR_RETURN(weights->output, read("decoder.decoder.2.weight", {1, kHidden, 1}));
  STENOD_ASSIGN_OR_RETURN(const auto output_bias, read("decoder.decoder.2.bias", {1}));
  weights->output_bias = output_bias.front();
  return SileroVad(std::move(weights));
}

/// From buffers.samples, all but the reflected ones, to buffers.gates, without the part of the LSTM's own past.
void SileroVad::encode(std::size_t num_chunks, Scratch::Buffers& buffers) const {
  for (std::size_t b = 0; b < num_chunks; ++b) {
    auto& row = buffers.samples[b];
    for (std::size_t i = 0; i < kReflectedSamples; ++i) row[kInputSamples + i] = row[kInputSamples - 2 - i];
  }

  constexpr std::array<float, kSpectrumStride> kNoBias = {};
  for (std::size_t t = 0; t < kNumFrames; ++t) {
    multiply({.num_rows = num_chunks,
              .x = buffers.samples.front().data() + t * kHopSamples,
              .x_stride = kPaddedSamples,
              .w = weights_->stft,
              .first_k = 0,
              .num_k = kFftSamples,
              .init = kNoBias.data(),
              .init_stride = 0,
              .y = buffers.spectrum.front().data(),
              .y_stride = kSpectrumStride,
              .relu = false});
    for (std::size_t b = 0; b < num_chunks; ++b) {
      magnitudes(buffers.spectrum[b].data(), kNumBins, buffers.magnitudes[b].data() + t * kNumBins);
    }
  }

  const auto convolve = [&](std::size_t index, const auto& in, auto& out) {
    const ConvLayer& layer = kLayers[index];
    const Weights::Convolution& convolution = weights_->convolutions[index];
    for (std::size_t t = 0; t < layer.out_frames(); ++t) {
      const std::size_t centre = t * layer.stride;
      const std::size_t first_frame = centre == 0 ? 0 : centre - 1;
      const std::size_t end_frame = std::min(centre + 2, layer.in_frames);
      const std::size_t first_tap = first_frame + 1 - centre;
      multiply({.num_rows = num_chunks,
                .x = in.front().data() + first_frame * layer.in_channels,
                .x_stride = in.front().size(),
                .w = convolution.weights,
                .first_k = first_tap * layer.in_channels,
                .num_k = (end_frame - first_frame) * layer.in_channels,
                .init = convolution.bias.data(),
                .init_stride = 0,
                .y = out.front().data() + t * layer.out_channels,
                .y_stride = out.front().size(),
                .relu = true});
    }
  };
  convolve(0, buffers.magnitudes, buffers.activations_a);
  convolve(1, buffers.activations_a, buffers.activations_b);
  convolve(2, buffers.activations_b, buffers.activations_a);
  convolve(3, buffers.activations_a, buffers.activations_b);

  multiply({.num_rows = num_chunks,
            .x = buffers.activations_b.front().data(),
            .x_stride = buffers.activations_b.front().size(),
            .w = weights_->input_gates,
            .first_k = 0,
            .num_k = kHidden,
            .init = weights_->gate_bias.data(),
            .init_stride = 0,
            .y = buffers.gates.front().data(),
            .y_stride = kGates,
            .relu = false});
}

void SileroVad::step(std::span<VadState* const> states, std::span<const float> samples, std::span<float> probabilities,
                     Scratch& scratch) const {
  assert(samples.size() == states.size() * kChunkSamples && probabilities.size() == states.size());
  Scratch::Buffers& buffers = *scratch.buffers_;
  for (std::size_t first = 0; first < states.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, states.size() - first);
    for (std::size_t b = 0; b < count; ++b) {
      VadState& state = *states[first + b];
      auto& row = buffers.samples[b];
      std::copy(state.context.begin(), state.context.end(), row.begin());
      copy_samples(samples.data() + (first + b) * kChunkSamples, kChunkSamples, row.data() + kContextSamples);
      std::copy_n(row.begin() + kChunkSamples, kContextSamples, state.context.begin());
      std::copy(state.h.begin(), state.h.end(), buffers.hidden[b].begin());
    }
    encode(count, buffers);
    multiply({.num_rows = count,
              .x = buffers.hidden.front().data(),
              .x_stride = kHidden,
              .w = weights_->hidden_gates,
              .first_k = 0,
              .num_k = kHidden,
              .init = buffers.gates.front().data(),
              .init_stride = kGates,
              .y = buffers.gates.front().data(),
              .y_stride = kGates,
              .relu = false});
    for (std::size_t b = 0; b < count; ++b) {
      VadState& state = *states[first + b];
      probabilities[first + b] = lstm_step(buffers.gates[b].data(), kHidden, weights_->output.data(),
                                           weights_->output_bias, state.h.data(), state.c.data());
    }
  }
}

void SileroVad::run(VadState& state, std::span<const float> samples, std::span<float> probabilities,
                    Scratch& scratch) const {
  assert(samples.size() == probabilities.size() * kChunkSamples);
  Scratch::Buffers& buffers = *scratch.buffers_;
  for (std::size_t first = 0; first < probabilities.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, probabilities.size() - first);
    for (std::size_t b = 0; b < count; ++b) {
      auto& row = buffers.samples[b];
      std::copy(state.context.begin(), state.context.end(), row.begin());
      copy_samples(samples.data() + (first + b) * kChunkSamples, kChunkSamples, row.data() + kContextSamples);
      std::copy_n(row.begin() + kChunkSamples, kContextSamples, state.context.begin());
    }
    encode(count, buffers);
    for (std::size_t b = 0; b < count; ++b) {
      float* gates = buffers.gates[b].data();
      multiply({.num_rows = 1,
                .x = state.h.data(),
                .x_stride = kHidden,
                .w = weights_->hidden_gates,
                .first_k = 0,
                .num_k = kHidden,
                .init = gates,
                .init_stride = kGates,
                .y = gates,
                .y_stride = kGates,
                .relu = false});
      probabilities[first + b] =
          lstm_step(gates, kHidden, weights_->output.data(), weights_->output_bias, state.h.data(), state.c.data());
    }
  }
}

std::vector<float> SileroVad::probabilities(std::span<const float> samples) const {
  const std::size_t num_whole = samples.size() / kChunkSamples;
  std::vector<float> result(num_whole + 1);
  const std::span<float> all(result);
  VadState state;
  Scratch scratch;
  run(state, samples.first(num_whole * kChunkSamples), all.first(num_whole), scratch);
  std::array<float, kChunkSamples> last = {};
  std::copy(samples.begin() + static_cast<std::ptrdiff_t>(num_whole * kChunkSamples), samples.end(), last.begin());
  run(state, last, all.last(1), scratch);
  return result;
}

}  // namespace stenod::vad
