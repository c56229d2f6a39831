#include "audio/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/file.h"

extern "C" {
#include <libavformat/avformat.h>
#include <libavutil/mem.h>
}

namespace stenod::audio {
namespace {

constexpr int kBufferBytes = 64 * 1024;

}  // namespace

Input::~Input() {
  if (context_ != nullptr) av_freep(&context_->buffer);
  avio_context_free(&context_);
}

Status Input::make_context() {
  const auto read = [](void* self, std::uint8_t* buffer, int size) {
    return static_cast<Input*>(self)->read({buffer, static_cast<std::size_t>(size)});
  };
  const auto seek = [](void* self, std::int64_t offset, int whence) {
    return static_cast<Input*>(self)->seek(offset, whence);
  };
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (buffer != nullptr) {
    context_ = avio_alloc_context(buffer, kBufferBytes, 0, this, read, nullptr, size() ? +seek : nullptr);
  }
  if (context_ == nullptr) {
    av_free(buffer);
    return Error{ErrorCode::kOutOfMemory, fmt::format("{}: not enough memory to read the audio", name_), name_};
  }
  return {};
}

Result<std::unique_ptr<Input>> FileInput::open(const std::filesystem::path& path, std::string name,
                                               std::stop_token stop) {
  if (path.empty()) return Error{ErrorCode::kInvalidArgument, "no file name: expected an audio or video file", ""};
  if (name.empty()) name = path.string();
  // Non-blocking, because opening a pipe would otherwise wait for its writer; regular files take no notice.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return file_error("cannot open", name, errno);
  struct stat info = {};
  std::FILE* file = ::fstat(fd, &info) == 0 ? ::fdopen(fd, "rb") : nullptr;
  if (file == nullptr) {
    const int error_number = errno;
    ::close(fd);
    return file_error("cannot open", name, error_number);
  }
  auto input = std::unique_ptr<FileInput>(new FileInput(file, info.st_size, name, std::move(stop)));
  if (!S_ISREG(info.st_mode)) {
    const std::string_view what =
        S_ISDIR(info.st_mode) ? "is a folder; give the files in it" : "pipes and devices cannot be read; give a file";
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, what), name};
  }
  STENOD_RETURN_IF_ERROR(input->start());
  return std::unique_ptr<Input>(std::move(input));
}

Result<std::unique_ptr<Input>> FileInput::open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                      std::stop_token stop) {
  std::FILE* file = nullptr;
  if (!bytes.empty()) {
    file = ::fmemopen(const_cast<std::byte*>(bytes.data()), bytes.size(), "rb");  // read only in spite of its type
    if (file == nullptr) return file_error("cannot open", name, errno);
  }
  const auto size = static_cast<std::int64_t>(bytes.size());
  auto input = std::unique_ptr<FileInput>(new FileInput(file, size, name, std::move(stop)));
  STENOD_RETURN_IF_ERROR(input->start());
  return std::unique_ptr<Input>(std::move(input));
}

FileInput::FileInput(std::FILE* file, std::int64_t size, std::string name, std::stop_token stop)
    : Input(std::move(name)), file_(file), size_(size), stop_(std::move(stop)) {}

FileInput::~FileInput() {
  if (file_ != nullptr) std::fclose(file_);
}

Status FileInput::start() {
  if (size_ == 0) {
    return Error{ErrorCode::kAudioEmpty,
                 fmt::format("{}: the file is empty (0 bytes), expected audio or video", name()), name()};
  }
  std::setvbuf(file_, nullptr, _IONBF, 0);  // AVIOContext has a buffer of its own
  return make_context();
}

Status FileInput::status() const {
  if (stop_.stop_requested()) {
    return Error{ErrorCode::kCancelled, fmt::format("{}: decoding was cancelled", name()), name()};
  }
  if (error_number_ != 0) return file_error("cannot read", name(), error_number_);
  return {};
}

int FileInput::read(std::span<std::uint8_t> buffer) {
  if (stop_.stop_requested()) return AVERROR_EXIT;
  errno = 0;
  const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file_);
  if (n > 0) return static_cast<int>(n);
  if (std::ferror(file_) == 0) return AVERROR_EOF;
  error_number_ = errno != 0 ? errno : EIO;
  return AVERROR(error_number_);
}

std::int64_t FileInput::seek(std::int64_t offset, int whence) {
  if (whence == AVSEEK_SIZE) return size_;
  if (stop_.stop_requested()) return AVERROR_EXIT;
  if (::fseeko(file_, offset, whence & ~AVSEEK_FORCE) != 0) return AVERROR(EINVAL);
  return ::ftello(file_);
}

}  // namespace stenod::audio
