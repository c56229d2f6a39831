#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"

namespace stenod::api {

struct SpoolLimits {
  std::uint64_t max_file_bytes = 100ULL << 20;
  std::uint64_t max_total_bytes = 4ULL << 30;  ///< of all files at once
};

class SpoolFile;

/// A folder where uploads lie while they are worked on. Its files have no names, so that the system removes them when
/// the process ends, however it ends. Several processes may share it. Any thread; must outlive its files.
class SpoolFolder {
 public:
  /// Makes the folder, readable by its owner alone, where there is none; removes files that a process left that was
  /// killed while it made them. Errors: those of files.
  static Result<std::unique_ptr<SpoolFolder>> open(std::filesystem::path folder, SpoolLimits limits = {});

  /// An empty file. Errors: those of files.
  Result<std::unique_ptr<SpoolFile>> create();

  std::uint64_t total_bytes() const { return total_bytes_; }
  const SpoolLimits& limits() const { return limits_; }

 private:
  friend class SpoolFile;
  SpoolFolder(std::filesystem::path folder, SpoolLimits limits) : folder_(std::move(folder)), limits_(limits) {}

  std::filesystem::path folder_;
  SpoolLimits limits_;
  std::atomic<std::uint64_t> total_bytes_ = 0;
};

/// One upload on disk; gone with the object. Used by one thread at a time.
class SpoolFile {
 public:
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;
  ~SpoolFile();

  /// Adds to its end. Errors: kPayloadTooLarge (more than one file may have), kOverloaded (more than all may have),
  /// kDiskFull, kIoError.
  Status append(std::span<const std::byte> bytes);

  std::uint64_t size() const { return size_; }
  /// By which this process can open it, as long as the object lives.
  std::filesystem::path path() const;

 private:
  friend class SpoolFolder;
  SpoolFile(SpoolFolder& folder, int fd) : folder_(folder), fd_(fd) {}

  SpoolFolder& folder_;
  int fd_;
  std::uint64_t size_ = 0;
};

}  // namespace stenod::api
