#include "models/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "models/file_writer.h"

namespace stenod::models {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::uint64_t kMagic = 0x31303050'4e545323;  // "#STNP001"
constexpr std::size_t kNumHeadWords = 4;
constexpr std::uint64_t kMaxSegments = 1 << 16;

std::vector<PartFile::Segment> cut(std::uint64_t size, std::uint64_t segment_size) {
  std::vector<PartFile::Segment> segments;
  for (std::uint64_t offset = 0; offset < size; offset += segment_size) {
    segments.push_back({offset, std::min(segment_size, size - offset), 0});
  }
  return segments;
}

}  // namespace

PartFile::PartFile(const std::filesystem::path& path, std::uint64_t size, std::uint64_t key)
    : path_(path), part_(path.string() + ".part"), state_(path.string() + ".state"), size_(size), key_(key) {}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::move(other.path_)),
      part_(std::move(other.part_)),
      state_(std::move(other.state_)),
      size_(other.size_),
      key_(other.key_),
      part_fd_(std::exchange(other.part_fd_, -1)),
      state_fd_(std::exchange(other.state_fd_, -1)),
      segments_(std::move(other.segments_)) {}

PartFile::~PartFile() {
  for (const int fd : {part_fd_, state_fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

Result<PartFile> PartFile::open(const std::filesystem::path& path, std::uint64_t size, std::uint64_t key,
                                std::uint64_t segment_size) {
  PartFile file(path, size, key);
  file.part_fd_ = ::open(file.part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file.part_fd_ < 0) return file_error("cannot create", file.part_, errno);
  file.state_fd_ = ::open(file.state_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file.state_fd_ < 0) return file_error("cannot create", file.state_, errno);
  if (!file.read_state()) STENOD_RETURN_IF_ERROR(file.start(std::max(segment_size, size / kMaxSegments + 1)));
  return file;
}

bool PartFile::read_state() {
  struct stat info = {};
  if (::fstat(part_fd_, &info) != 0 || static_cast<std::uint64_t>(info.st_size) != size_) return false;
  std::array<std::uint64_t, kNumHeadWords> head{};
  if (::pread(state_fd_, head.data(), sizeof(head), 0) != static_cast<ssize_t>(sizeof(head))) return false;
  const auto [magic, key, size, segment_size] = head;
  if (magic != kMagic || key != key_ || size != size_ || segment_size == 0) return false;
  if ((size_ + segment_size - 1) / segment_size > kMaxSegments) return false;
  auto segments = cut(size_, segment_size);
  std::vector<std::uint64_t> done(segments.size());
  const std::size_t num_bytes = done.size() * sizeof(done[0]);
  if (::pread(state_fd_, done.data(), num_bytes, sizeof(head)) != static_cast<ssize_t>(num_bytes)) return false;
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (done[i] > segments[i].size) return false;
    segments[i].done = done[i];
  }
  segments_ = std::move(segments);
  return true;
}

Status PartFile::start(std::uint64_t segment_size) {
  segments_ = cut(size_, segment_size);
  // No promise may be left that the other file doesn't keep.
  if (::ftruncate(state_fd_, 0) != 0) return file_error("cannot truncate", state_, errno);
  const auto size = static_cast<off_t>(size_);
  // Not every file system can set space aside; those that can tell now when there is too little of it.
  if (size_ > 0 && ::fallocate(part_fd_, 0, 0, size) != 0 && errno == ENOSPC) {
    const Error error = file_error("cannot set space aside for", part_, ENOSPC);
    discard();
    return error;
  }
  struct stat info = {};
  if (::fstat(part_fd_, &info) != 0) return file_error("cannot read", part_, errno);
  if (S_ISREG(info.st_mode) && info.st_size != size && ::ftruncate(part_fd_, size) != 0) {
    return file_error("cannot resize", part_, errno);
  }
  std::vector<std::uint64_t> words = {kMagic, key_, size_, segment_size};
  words.resize(kNumHeadWords + segments_.size());
  return write_all(state_fd_, 0, std::as_bytes(std::span(words)), state_);
}

Status PartFile::write_state(std::size_t word, std::uint64_t value) {
  return write_all(state_fd_, word * sizeof(value), std::as_bytes(std::span(&value, 1)), state_);
}

std::uint64_t PartFile::bytes_done() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.done;
  return sum;
}

Status PartFile::write(std::size_t index, std::span<const std::byte> bytes) {
  Segment& segment = segments_[index];
  STENOD_RETURN_IF_ERROR(write_all(part_fd_, segment.offset + segment.done, bytes, part_));
  segment.done += bytes.size();
  return write_state(kNumHeadWords + index, segment.done);
}

Status PartFile::rewind(std::size_t index) {
  segments_[index].done = 0;
  return write_state(kNumHeadWords + index, 0);
}

Status PartFile::restart_as_one() { return start(std::max<std::uint64_t>(size_, 1)); }

Status PartFile::sync() {
  if (::fsync(part_fd_) != 0) return file_error("cannot write", part_, errno);
  return {};
}

Status PartFile::commit() {
  if (::rename(part_.c_str(), path_.c_str()) != 0) return file_error("cannot rename", part_, errno);
  std::error_code ignored;
  std::filesystem::remove(state_, ignored);
  return {};
}

void PartFile::discard() {
  std::error_code ignored;
  std::filesystem::remove(part_, ignored);
  std::filesystem::remove(state_, ignored);
}

}  // namespace stenod::models
