#include "models/download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"
#include "net/http_client.h"

namespace stenod::models {
namespace {

constexpr int kMaxAttempts = 5;

bool is_transient(ErrorCode code) {
  return code == ErrorCode::kNetUnreachable || code == ErrorCode::kNetTimeout || code == ErrorCode::kNetIncomplete;
}

/// Fills `file` up to the download's size.
Status fetch(const Download& download, FileWriter& file, const OnBytes& on_bytes, const std::stop_token& stop) {
  net::HttpRequest request;
  request.url = download.url;
  request.max_bytes = download.size;
  const net::HeadSink on_head = [&](const net::HttpHead& head) -> Status {
    if (head.offset == file.size()) return {};
    on_bytes(-static_cast<std::int64_t>(file.size()));  // the server can't resume
    return file.clear();
  };
  const net::BodySink on_body = [&](std::span<const std::byte> bytes) -> Status {
    STENOD_RETURN_IF_ERROR(file.append(bytes));
    on_bytes(static_cast<std::int64_t>(bytes.size()));
    return {};
  };
  for (int attempt = 1; file.size() < download.size; ++attempt) {
    request.offset = file.size();
    const auto head = net::http_get(request, on_head, on_body, stop);
    if (head) break;
    const bool has_helped = file.size() > request.offset;
    if (!is_transient(head.error().code) || !has_helped || attempt == kMaxAttempts) return head.error();
  }
  return {};
}

}  // namespace

Result<FileWriter> FileWriter::open(const std::filesystem::path& path) {
  FileWriter file(path, ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.fd_ < 0) return file_error("cannot create", path, errno);
  struct stat info = {};
  if (::fstat(file.fd_, &info) != 0) return file_error("cannot read", path, errno);
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  return file;
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status FileWriter::clear() {
  if (size_ != 0 && ::ftruncate(fd_, 0) != 0) return file_error("cannot truncate", path_, errno);
  size_ = 0;
  return {};
}

Status FileWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("cannot write", path_, errno);
    size_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Status FileWriter::sync() {
  if (::fsync(fd_) != 0) return file_error("cannot write", path_, errno);
  return {};
}

Status verify_file(const std::filesystem::path& path, std::uint64_t size, const std::string& sha256) {
  STENOD_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  if (bytes.size() != size) {
    return Error{ErrorCode::kModelBadChecksum,
                 fmt::format("{}: {} bytes, expected {}", path.string(), bytes.size(), size), path.string()};
  }
  if (sha256.empty()) return {};
  const std::string found = sha256_hex(bytes);
  if (found == sha256) return {};
  return Error{ErrorCode::kModelBadChecksum, fmt::format("{}: SHA-256 {}, expected {}", path.string(), found, sha256),
               path.string()};
}

bool is_complete(const std::filesystem::path& path, std::uint64_t size, const std::string& sha256) {
  return verify_file(path, size, sha256).ok();
}

Status download_file(const Download& download, const OnBytes& on_bytes, std::stop_token stop) {
  if (is_complete(download.path, download.size, download.sha256)) {
    on_bytes(static_cast<std::int64_t>(download.size));
    return {};
  }
  const std::filesystem::path part = download.path.string() + ".part";
  STENOD_ASSIGN_OR_RETURN(FileWriter file, FileWriter::open(part));
  if (file.size() > download.size) STENOD_RETURN_IF_ERROR(file.clear());
  bool has_old_bytes = file.size() > 0;
  on_bytes(static_cast<std::int64_t>(file.size()));
  for (;;) {
    STENOD_RETURN_IF_ERROR(fetch(download, file, on_bytes, stop));
    STENOD_RETURN_IF_ERROR(file.sync());
    auto verified = verify_file(part, download.size, download.sha256);
    if (verified) break;
    on_bytes(-static_cast<std::int64_t>(file.size()));
    STENOD_RETURN_IF_ERROR(file.clear());
    // What an earlier call left may have been of another version: once more, from the start.
    if (!has_old_bytes) return std::move(verified).error();
    has_old_bytes = false;
  }
  if (::rename(part.c_str(), download.path.c_str()) != 0) return file_error("cannot rename", part, errno);
  return {};
}

}  // namespace stenod::models
