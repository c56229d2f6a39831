#include "app/commands.h"
#include "models/catalogue.h"
#include "models/store.h"

namespace stenod::app {

Result<std::unique_ptr<transcribe::Recogniser>> load_recogniser(const EngineSettings& settings) {
  const models::Store store;
  transcribe::RecogniserOptions options;
  STENOD_ASSIGN_OR_RETURN(options.model_folder, store.path(settings.model));
  STENOD_ASSIGN_OR_RETURN(const std::filesystem::path vad_folder, store.path(models::kVadModelName));
  options.vad_file = vad_folder / models::kVadModelFile;
  options.num_threads = settings.num_threads;
  options.compute_type = settings.compute_type;
  options.max_isa = settings.max_isa;
  return transcribe::Recogniser::load(options);
}

}  // namespace stenod::app
