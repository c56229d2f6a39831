#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod {

/// The Error for the current `errno` of a file operation; `what` says what was tried, for instance "cannot open".
Error file_error(std::string_view what, const std::filesystem::path& path, int error_number);

/// Reads a whole file of at most `max_bytes`. Errors: kNotFound, kPermissionDenied, kIoError, kInvalidArgument (too
/// large).
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Replaces `path` atomically: writes a temporary file beside it, syncs, renames. A file that was there keeps its
/// rights, a new one has those that the umask leaves; of a link, what it leads to is replaced. What is no regular file,
/// as /dev/stdout, is written to. Errors: kDiskFull, kIoError, ….
Status write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// A file mapped read-only into memory. Movable; the mapping lives as long as the object.
///
/// The file must not shrink while it is mapped (a page beyond its end faults); writers here always replace files by
/// rename, never in place.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  /// Gives the memory of what was read so far back to the system; reading it again costs a page fault.
  void release_pages() const;

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace stenod
