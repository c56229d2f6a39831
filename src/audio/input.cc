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

Result<std::unique_ptr<Input>> Input::open(const std::filesystem::path& path, std::string name, std::stop_token stop) {
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
  auto input = std::unique_ptr<Input>(new Input(file, info.st_size, name, std::move(stop)));
  if (!S_ISREG(info.st_mode)) {
    const std::string_view what =
        S_ISDIR(info.st_mode) ? "is a folder; give the files in it" : "pipes and devices cannot be read; give a file";
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, what), name};
  }
  STENOD_RETURN_IF_ERROR(input->start());
  return input;
}

Result<std::unique_ptr<Input>> Input::open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                  std::stop_token stop) {
  std::FILE* file = nullptr;
  if (!bytes.empty()) {
    file = ::fmemopen(const_cast<std::byte*>(bytes.data()), bytes.size(), "rb");  // read only in spite of its type
    if (file == nullptr) return file_error("cannot open", name, errno);
  }
  const auto size = static_cast<std::int64_t>(bytes.size());
  auto input = std::unique_ptr<Input>(new Input(file, size, name, std::move(stop)));
  STENOD_RETURN_IF_ERROR(input->start());
  return input;
}

Input::Input(std::FILE* file, std::int64_t size, std::string name, std::stop_token stop)
    : file_(file), size_(size), name_(std::move(name)), stop_(std::move(stop)) {}

Input::~Input() {
  if (context_ != nullptr) av_freep(&context_->buffer);
  avio_context_free(&context_);
  if (file_ != nullptr) std::fclose(file_);
}

Status Input::start() {
  if (size_ == 0) {
    return Error{ErrorCode::kAudioEmpty, fmt::format("{}: the file is empty (0 bytes), expected audio or video", name_),
                 name_};
  }
  std::setvbuf(file_, nullptr, _IONBF, 0);  // AVIOContext has a buffer of its own
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (buffer != nullptr) context_ = avio_alloc_context(buffer, kBufferBytes, 0, this, &read, nullptr, &seek);
  if (context_ == nullptr) {
    av_free(buffer);
    return Error{ErrorCode::kOutOfMemory, fmt::format("{}: not enough memory to read the file", name_), name_};
  }
  return {};
}

Status Input::status() const {
  if (stop_.stop_requested()) {
    return Error{ErrorCode::kCancelled, fmt::format("{}: decoding was cancelled", name_), name_};
  }
  if (error_number_ != 0) return file_error("cannot read", name_, error_number_);
  return {};
}

int Input::read(void* self, std::uint8_t* buffer, int size) {
  auto* input = static_cast<Input*>(self);
  if (input->stop_.stop_requested()) return AVERROR_EXIT;
  errno = 0;
  const std::size_t n = std::fread(buffer, 1, static_cast<std::size_t>(size), input->file_);
  if (n > 0) return static_cast<int>(n);
  if (std::ferror(input->file_) == 0) return AVERROR_EOF;
  input->error_number_ = errno != 0 ? errno : EIO;
  return AVERROR(input->error_number_);
}

std::int64_t Input::seek(void* self, std::int64_t offset, int whence) {
  auto* input = static_cast<Input*>(self);
  if (whence == AVSEEK_SIZE) return input->size_;
  if (input->stop_.stop_requested()) return AVERROR_EXIT;
  if (::fseeko(input->file_, offset, whence & ~AVSEEK_FORCE) != 0) return AVERROR(EINVAL);
  return ::ftello(input->file_);
}

}  // namespace stenod::audio
