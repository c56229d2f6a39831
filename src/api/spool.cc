#include "api/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace stenod::api {
namespace {

constexpr std::string_view kPrefix = "upload-";

}  // namespace

Result<std::unique_ptr<SpoolFolder>> SpoolFolder::open(std::filesystem::path folder, SpoolLimits limits) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (error) return file_error("cannot make the folder for uploads", folder, error.value());
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return file_error("cannot use the folder for uploads", folder, error.value());
  // A name is there for the moment between making a file and unlinking it. Should that be another process's moment, it
  // loses nothing.
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) break;
    if (!entries->path().filename().string().starts_with(kPrefix)) continue;
    std::error_code ignored;
    std::filesystem::remove(entries->path(), ignored);
  }
  auto opened = std::unique_ptr<SpoolFolder>(new SpoolFolder(std::move(folder), limits));
  // Tells now, and not at the first upload, whether files can be made there.
  if (const auto file = opened->create(); !file) return file.error();
  return opened;
}

Result<std::unique_ptr<SpoolFile>> SpoolFolder::create() {
  std::string name = (folder_ / fmt::format("{}XXXXXX", kPrefix)).string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return file_error("cannot make a file for an upload", folder_, errno);
  std::unique_ptr<SpoolFile> file(new SpoolFile(*this, fd));
  if (::unlink(name.c_str()) != 0 && errno != ENOENT) {
    return file_error("cannot make a file for an upload", folder_, errno);
  }
  return file;
}

SpoolFile::~SpoolFile() {
  ::close(fd_);
  folder_.total_bytes_ -= size_;
}

Status SpoolFile::append(std::span<const std::byte> bytes) {
  const SpoolLimits& limits = folder_.limits_;
  if (bytes.size() > limits.max_file_bytes - size_) {
    return Error{ErrorCode::kPayloadTooLarge,
                 fmt::format("the file has more than {} bytes, which is the most that is taken", limits.max_file_bytes),
                 ""};
  }
  size_ += bytes.size();
  if ((folder_.total_bytes_ += bytes.size()) > limits.max_total_bytes) {
    return Error{ErrorCode::kOverloaded, "too many uploads are being worked on; try again later", ""};
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
      return Error{ErrorCode::kDiskFull, "there is no space left to keep the upload; try again later", ""};
    }
    if (written < 0) return file_error("cannot keep the upload", folder_.folder_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

std::filesystem::path SpoolFile::path() const { return fmt::format("/proc/self/fd/{}", fd_); }

}  // namespace stenod::api
