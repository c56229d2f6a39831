#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace stenod::models {

/// A file being written; movable, closed at the end. Errors of all: kDiskFull, kPermissionDenied, kIoError.
class FileWriter {
 public:
  /// Opens `path` for appending; creates it if need be.
  static Result<FileWriter> open(const std::filesystem::path& path);

  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&& other) noexcept;
  ~FileWriter();

  std::uint64_t size() const { return size_; }
  Status clear();
  Status append(std::span<const std::byte> bytes);
  /// Makes sure that the bytes are on the disk.
  Status sync();

 private:
  FileWriter(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// What to get, and what it must be.
struct Download {
  std::string url;
  std::filesystem::path path;
  std::uint64_t size = 0;
  std::string sha256;  ///< empty: not known
};

/// How many bytes more (or, if a part had to be thrown away, fewer) are there now.
using OnBytes = std::function<void(std::int64_t)>;

/// Downloads to `path` + ".part", going on where an earlier call stopped, then checks size and SHA-256 and renames.
/// A connection that breaks is opened again as long as that helps. Blocks.
/// Errors: those of http_get, kModelBadChecksum, and those of writing.
Status download_file(const Download& download, const OnBytes& on_bytes, std::stop_token stop);

/// Whether `path` is a file of that size and SHA-256 (if known).
bool is_complete(const std::filesystem::path& path, std::uint64_t size, const std::string& sha256);

/// kModelBadChecksum if `path` isn't complete; other errors of reading.
Status verify_file(const std::filesystem::path& path, std::uint64_t size, const std::string& sha256);

}  // namespace stenod::models
