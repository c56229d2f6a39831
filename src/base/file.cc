#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace stenod {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Doesn't wait for a pipe's writer, as opening it otherwise would; regular files take no notice.
int open_to_read(const std::filesystem::path& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }

Result<std::size_t> regular_file_size(int fd, const std::filesystem::path& path) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return file_error("cannot read", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: not a regular file", path.string()), path.string()};
  }
  return static_cast<std::size_t>(info.st_size);
}

/// Creates a file beside `path` with the rights that the process's umask leaves, and puts its name into `name`.
int create_beside(const std::filesystem::path& path, std::string& name) {
  static std::atomic<unsigned> count = 0;
  constexpr int kMaxTries = 100;  // files that a killed process left
  int fd = -1;
  for (int i = 0; i < kMaxTries && fd < 0; ++i) {
    name = fmt::format("{}.{}.{}.tmp", path.string(), ::getpid(), ++count);
    fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) break;
  }
  return fd;
}

/// False with `errno` set.
bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Error file_error(std::string_view what, const std::filesystem::path& path, int error_number) {
  ErrorCode code = ErrorCode::kIoError;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::kNotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermissionDenied;
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kDiskFull;
      break;
    default:
      break;
  }
  return {code, fmt::format("{}: {}: {}", path.string(), what, std::strerror(error_number)), path.string()};
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const Descriptor file(open_to_read(path));
  if (file.get() < 0) return file_error("cannot open", path, errno);
  STENOD_ASSIGN_OR_RETURN(const std::size_t size, regular_file_size(file.get(), path));
  if (size > max_bytes) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: {} bytes, expected at most {}", path.string(), size, max_bytes), path.string()};
  }
  std::string text(size, '\0');
  std::size_t at = 0;
  while (at < size) {
    const ssize_t n = ::read(file.get(), text.data() + at, size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("cannot read", path, errno);
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  text.resize(at);
  return text;
}

Status write_file_atomic(const std::filesystem::path& named, std::span<const std::byte> bytes) {
  struct stat old = {};
  const bool replaces = ::stat(named.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) {
    // A pipe that nobody reads is an error at once, and no wait for ever.
    const Descriptor file(::open(named.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0 || ::fcntl(file.get(), F_SETFL, 0) != 0) return file_error("cannot write", named, errno);
    return write_all(file.get(), bytes) ? Status() : file_error("cannot write", named, errno);
  }
  // Where a link leads, also one to a file that isn't there yet.
  std::error_code ignored;
  std::filesystem::path path = named;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(path, ignored); ++links) {
    path = path.parent_path() / std::filesystem::read_symlink(path, ignored);
  }
  if (std::filesystem::is_symlink(path, ignored)) return file_error("cannot write", named, ELOOP);
  std::string temporary;
  const Descriptor file(create_beside(path, temporary));
  if (file.get() < 0) return file_error("cannot create", path, errno);
  const auto fail = [&](std::string_view what) {
    const int error_number = errno;
    ::unlink(temporary.c_str());
    return file_error(what, path, error_number);
  };
  if (!write_all(file.get(), bytes)) return fail("cannot write");
  if (replaces && ::fchmod(file.get(), old.st_mode & 0777) != 0) return fail("cannot write");
  if (::fsync(file.get()) != 0) return fail("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail("cannot replace");
  return {};
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file(open_to_read(path));
  if (file.get() < 0) return file_error("cannot open", path, errno);
  STENOD_ASSIGN_OR_RETURN(const std::size_t size, regular_file_size(file.get(), path));
  if (size == 0) return MappedFile(path, {});
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return file_error("cannot map", path, errno);
  return MappedFile(path, {static_cast<const std::byte*>(address), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void MappedFile::release_pages() const {
  if (!bytes_.empty()) ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace stenod
