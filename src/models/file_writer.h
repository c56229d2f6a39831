#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace stenod::models {

/// A file being written from its start to its end; movable. Errors of all: kDiskFull, kPermissionDenied, kIoError.
class FileWriter {
 public:
  /// Creates `path`, or empties it.
  static Result<FileWriter> create(const std::filesystem::path& path);

  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&& other) noexcept;
  ~FileWriter();

  std::uint64_t size() const { return size_; }
  Status append(std::span<const std::byte> bytes);
  /// Makes sure that the bytes are on the disk.
  Status sync();

 private:
  FileWriter(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// Writes all of `bytes` at `offset` of an open file. `path` is for the message. Errors as above.
Status write_all(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::filesystem::path& path);

}  // namespace stenod::models
