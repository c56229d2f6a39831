#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/named_tensors.h"
#include "models/testing/generated_model.h"

namespace stenod::models::testing {

/// A tensor as safetensors and ggml hold it.
struct GeneratedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  DataType type;
  std::vector<std::byte> bytes;
};

/// The tensors of a generated model under a format's names: the same values as generate_model_bin() has in float32.
/// `model.type` is any but kInt8. Of quantised models, matrices are blocks of random numbers instead, convolutions
/// float16, and everything else float32.
std::vector<GeneratedTensor> generate_tensors(const GeneratedModel& model, const WhisperNames& names);

/// A safetensors file of these tensors, one behind the other.
std::vector<std::byte> join_safetensors(std::span<const GeneratedTensor> tensors);

/// Of a header and data that need not fit each other.
std::vector<std::byte> join_safetensors(std::string_view header, std::span<const std::byte> data);

/// A config.json as Hugging Face has it.
std::string generate_huggingface_config(const GeneratedModel& model);

/// A ggml file of these tensors, with a vocabulary of bytes and pairs of bytes.
GeneratedFile join_ggml(const GeneratedModel& model, std::span<const GeneratedTensor> tensors);

/// Writes complete models in these forms, as write_generated_model() does: a folder, a file.
Status write_generated_huggingface(const std::filesystem::path& folder, const GeneratedModel& model);
Status write_generated_ggml(const std::filesystem::path& file, const GeneratedModel& model);

}  // namespace stenod::models::testing
