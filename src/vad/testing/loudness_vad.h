#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "vad/testing/onnx_writer.h"

namespace stenod::vad::testing {

/// A file for SileroVad whose weights take whatever is loud for speech, chunk by chunk and without memory: a
/// probability of nearly 0 for digital silence and nearly 1 for a tone of half amplitude.
inline std::string loudness_vad_file() {
  std::string graph;
  const auto add = [&graph](std::string_view name, std::vector<std::int64_t> dims, const auto& value_of) {
    std::size_t count = 1;
    for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(value_of(i));
    graph += initializer("model." + std::string(name), dims, values);
  };
  const auto zero = [](std::size_t) { return 0.0; };

  // Windowed cosines and sines, so that magnitudes are those of a spectrum, which the convolutions add up and average.
  add("stft.forward_basis_buffer", {258, 1, 256}, [](std::size_t i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i % 256) / 256;
    const double phase = angle * static_cast<double>(i / 256 % 129);
    return (0.5 - 0.5 * std::cos(angle)) * (i / 256 < 129 ? std::cos(phase) : -std::sin(phase));
  });
  const std::int64_t channels[] = {129, 128, 64, 64, 128};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string name = "encoder." + std::to_string(i) + ".reparam_conv.";
    const double weight = i == 0 ? 1 : 1.0 / (3.0 * static_cast<double>(channels[i]));
    add(name + "weight", {channels[i + 1], channels[i], 3}, [weight](std::size_t) { return weight; });
    add(name + "bias", {channels[i + 1]}, zero);
  }
  // The gates in their order: the cell takes in everything, forgets everything and gives out everything.
  add("decoder.rnn.weight_ih", {512, 128}, [](std::size_t i) { return i / 128 / 128 == 2 ? 1.0 / 128 : 0.0; });
  add("decoder.rnn.weight_hh", {512, 128}, zero);
  add("decoder.rnn.bias_ih", {512}, [](std::size_t i) {
    constexpr double kOfGate[] = {10, -10, 0, 10};
    return kOfGate[i / 128];
  });
  add("decoder.rnn.bias_hh", {512}, zero);
  add("decoder.decoder.2.weight", {1, 128, 1}, [](std::size_t) { return 20.0 / 128; });
  add("decoder.decoder.2.bias", {1}, [](std::size_t) { return -7.0; });
  return model(graph);
}

}  // namespace stenod::vad::testing
