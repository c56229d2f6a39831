#include <fmt/format.h>

#include <utility>

#include "app/commands.h"
#include "models/catalogue.h"
#include "models/store.h"

namespace stenod::app {

Result<std::filesystem::path> find_speech_model(const models::Store& store, const EngineSettings& settings) {
  auto folder = settings.model != models::kVadModelName
                    ? store.path(settings.model)
                    : Error{ErrorCode::kInvalidArgument,
                            fmt::format("{} is no speech model: it tells where speech is; choose base or tiny.en",
                                        models::kVadModelName),
                            "model"};
  if (folder || settings.model_source == "--model") return folder;
  Error error = std::move(folder).error();
  error.message = fmt::format("{}: {}", settings.model_source, error.message);
  return error;
}

std::string offered_name(const std::string& model) {
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::absolute(model, ignored).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // it ended with a slash
  return path.has_filename() ? path.filename().string() : model;
}

Result<transcribe::RecogniserOptions> recogniser_options(const EngineSettings& settings) {
  const models::Store store;
  transcribe::RecogniserOptions options;
  STENOD_ASSIGN_OR_RETURN(options.model_path, find_speech_model(store, settings));
  STENOD_ASSIGN_OR_RETURN(const std::filesystem::path vad_folder, store.path(models::kVadModelName));
  options.vad_file = vad_folder / models::kVadModelFile;
  options.num_threads = settings.num_threads;
  options.compute_type = settings.compute_type;
  options.max_isa = settings.max_isa;
  return options;
}

Result<std::unique_ptr<transcribe::Recogniser>> load_recogniser(const EngineSettings& settings) {
  STENOD_ASSIGN_OR_RETURN(const transcribe::RecogniserOptions options, recogniser_options(settings));
  return transcribe::Recogniser::load(options);
}

}  // namespace stenod::app
