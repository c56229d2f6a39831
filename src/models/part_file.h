#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"

namespace stenod::models {

/// A file that arrives in segments, several at once: its bytes in `path` + ".part", and how far each segment is in
/// `path` + ".state". A segment's bytes are written before its count, so whatever ends the process, the counts promise
/// nothing that was not handed to the system; what the system itself loses, the file's checksum tells.
///
/// The state is little-endian 64-bit numbers: kMagic, key, size, segment size, and a segment's bytes so far for each.
/// Different segments may be written by different threads at once; everything else is for one thread.
/// Errors of all: kDiskFull, kPermissionDenied, kIoError.
class PartFile {
 public:
  struct Segment {
    std::uint64_t offset = 0;  ///< of its first byte in the file
    std::uint64_t size = 0;
    std::uint64_t done = 0;  ///< bytes that are there
    bool is_complete() const { return done == size; }
  };

  /// Opens what an earlier call left, if that was for the same `size` and `key` (which stands for the contents); its
  /// segments may have another size. Else starts anew with segments of `segment_size` bytes (at least 1) and takes the
  /// disk space for all.
  static Result<PartFile> open(const std::filesystem::path& path, std::uint64_t size, std::uint64_t key,
                               std::uint64_t segment_size);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  const std::vector<Segment>& segments() const { return segments_; }
  std::uint64_t bytes_done() const;

  /// The next bytes of a segment. Precondition: they are no more than it lacks.
  Status write(std::size_t segment, std::span<const std::byte> bytes);
  /// Forgets a segment's bytes.
  Status rewind(std::size_t segment);
  /// Forgets everything; one segment from now on.
  Status restart_as_one();

  /// Where the bytes are.
  const std::filesystem::path& path() const { return part_; }
  /// Makes sure that the bytes are on the disk.
  Status sync();
  /// Gives the finished file its name. Precondition: sync() has succeeded.
  Status commit();
  /// Removes both files, after which only the destructor may be called.
  void discard();

 private:
  PartFile(const std::filesystem::path& path, std::uint64_t size, std::uint64_t key);
  bool read_state();
  Status start(std::uint64_t segment_size);
  Status write_state(std::size_t word, std::uint64_t value);

  std::filesystem::path path_, part_, state_;
  std::uint64_t size_, key_;
  int part_fd_ = -1, state_fd_ = -1;
  std::vector<Segment> segments_;
};

}  // namespace stenod::models
