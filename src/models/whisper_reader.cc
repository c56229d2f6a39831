#include "models/whisper_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/ctranslate2_reader.h"
#include "models/ggml_reader.h"
#include "models/huggingface_reader.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

bool holds(const fs::path& folder, const char* file) {
  std::error_code ignored;
  return fs::exists(folder / file, ignored);
}

/// What a folder holds, for a message.
std::string contents(const fs::path& folder) {
  constexpr std::size_t kMaxNames = 8;
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && names.size() <= kMaxNames;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (names.empty()) return "it holds nothing";
  std::sort(names.begin(), names.end());
  const bool has_more = names.size() > kMaxNames;
  if (has_more) names.pop_back();
  return fmt::format("it holds {}{}", fmt::join(names, ", "), has_more ? " and more" : "");
}

}  // namespace

std::string_view whisper_form_name(WhisperForm form) {
  switch (form) {
    case WhisperForm::kCTranslate2:
      return "CTranslate2";
    case WhisperForm::kHuggingFace:
      return "safetensors";
    case WhisperForm::kGgml:
      return "ggml";
  }
  return "";
}

std::optional<WhisperForm> find_whisper_form(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return WhisperForm::kGgml;
  if (holds(path, "model.bin")) return WhisperForm::kCTranslate2;
  if (holds(path, "model.safetensors") || holds(path, "model.safetensors.index.json")) return WhisperForm::kHuggingFace;
  return std::nullopt;
}

Result<WhisperWeights> read_whisper(const fs::path& path) {
  std::error_code ignored;
  const auto form = find_whisper_form(path);
  if (!form && !fs::exists(path, ignored)) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: there is no such file or folder", path.string()),
                 path.string()};
  }
  const std::string extension = path.extension().string();
  if (form == WhisperForm::kGgml &&
      (path.filename() == "model.bin" || extension == ".safetensors" || extension == ".json")) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} is part of a model; give the folder that it lies in", path.string()), path.string()};
  }
  if (!form) {
    return Error{ErrorCode::kModelMissingFile,
                 fmt::format("{}: no Whisper model: {}; expected a folder with model.bin (faster-whisper) or "
                             "model.safetensors (Hugging Face), or a file of whisper.cpp",
                             path.string(), contents(path)),
                 path.string()};
  }
  switch (*form) {
    case WhisperForm::kCTranslate2:
      return read_ctranslate2(path);
    case WhisperForm::kHuggingFace:
      return read_huggingface(path);
    case WhisperForm::kGgml:
      break;
  }
  return read_ggml(path);
}

}  // namespace stenod::models
