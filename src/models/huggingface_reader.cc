#include "models/huggingface_reader.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "models/safetensors.h"
#include "models/whisper_config.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxJsonSize = 4 << 20;

/// Nothing where there is no such file.
Result<std::optional<std::string>> read_optional(const fs::path& file) {
  auto text = read_file(file, kMaxJsonSize);
  if (text) return std::optional(std::move(text).value());
  if (text.error().code == ErrorCode::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

Error missing(const fs::path& file, const std::string& why) {
  return {ErrorCode::kModelMissingFile, fmt::format("{}: there is no such file; {}", file.string(), why),
          file.string()};
}

Status add_file(const fs::path& path, const std::string& needed_by, std::vector<MappedFile>& storage,
                NamedTensors& tensors) {
  auto mapped = MappedFile::open(path);
  if (!mapped && mapped.error().code == ErrorCode::kNotFound) return missing(path, needed_by);
  if (!mapped) return std::move(mapped).error();
  storage.push_back(std::move(mapped).value());
  return parse_safetensors(storage.back().bytes(), path.string(), tensors);
}

Status read_tensors(const fs::path& folder, std::vector<MappedFile>& storage, NamedTensors& tensors) {
  const fs::path single = folder / "model.safetensors", index_path = folder / "model.safetensors.index.json";
  std::error_code ignored;
  STENOD_ASSIGN_OR_RETURN(const auto text,
                          fs::exists(single, ignored) ? std::optional<std::string>() : read_optional(index_path));
  if (!text) {
    return add_file(single, "a folder in Hugging Face's format has config.json, tokenizer.json and model.safetensors",
                    storage, tensors);
  }
  STENOD_ASSIGN_OR_RETURN(const SafetensorsIndex index, parse_safetensors_index(*text, index_path.string()));
  std::set<std::string> files;
  for (const auto& [tensor, file] : index) files.insert(file);
  for (const std::string& file : files) {
    STENOD_RETURN_IF_ERROR(add_file(
        folder / file, "model.safetensors.index.json says that a part of the model is in it", storage, tensors));
  }
  return check_against_index(tensors, index, index_path.string());
}

}  // namespace

Result<WhisperWeights> parse_huggingface(const NamedTensors& tensors, const HuggingFaceTexts& texts,
                                         const fs::path& folder) {
  STENOD_ASSIGN_OR_RETURN(const WhisperDims dims, parse_huggingface_dims(texts.config, folder / "config.json"));
  STENOD_ASSIGN_OR_RETURN(WhisperWeights weights, assemble_whisper(tensors, kHuggingFaceNames, dims, folder.string()));
  STENOD_ASSIGN_OR_RETURN(weights.generation,
                          parse_huggingface_generation(texts.generation_config, texts.config, dims, folder));
  if (texts.preprocessor_config) {
    STENOD_RETURN_IF_ERROR(
        check_preprocessor_config(*texts.preprocessor_config, dims.num_mels, folder / "preprocessor_config.json"));
  }
  return weights;
}

Result<WhisperWeights> read_huggingface(const fs::path& folder) {
  HuggingFaceTexts texts;
  STENOD_ASSIGN_OR_RETURN(auto config, read_optional(folder / "config.json"));
  if (!config) return missing(folder / "config.json", "it tells the sizes of the model");
  texts.config = std::move(*config);
  STENOD_ASSIGN_OR_RETURN(texts.generation_config, read_optional(folder / "generation_config.json"));
  STENOD_ASSIGN_OR_RETURN(texts.preprocessor_config, read_optional(folder / "preprocessor_config.json"));
  const auto storage = std::make_shared<std::vector<MappedFile>>();
  NamedTensors tensors;
  STENOD_RETURN_IF_ERROR(read_tensors(folder, *storage, tensors));
  STENOD_ASSIGN_OR_RETURN(WhisperWeights weights, parse_huggingface(tensors, texts, folder));
  weights.storage = storage;
  return weights;
}

}  // namespace stenod::models
