#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"

struct AVIOContext;

namespace stenod::audio {

/// The bytes of one file, on disk or in memory, as FFmpeg reads them. It is the only door through which FFmpeg gets
/// data.
class Input {
 public:
  /// `name` stands for the file in messages; empty: its path does.
  static Result<std::unique_ptr<Input>> open(const std::filesystem::path& path, std::string name, std::stop_token stop);
  static Result<std::unique_ptr<Input>> open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                    std::stop_token stop);

  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input();

  AVIOContext* context() { return context_; }
  const std::string& name() const { return name_; }
  std::int64_t size() const { return size_; }

  /// kCancelled or kIoError if that has happened: FFmpeg may take either for the end of the file.
  Status status() const;

 private:
  Input(std::FILE* file, std::int64_t size, std::string name, std::stop_token stop);
  Status start();

  static int read(void* self, std::uint8_t* buffer, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  std::FILE* file_;  ///< null for no bytes at all
  std::int64_t size_;
  std::string name_;
  std::stop_token stop_;
  AVIOContext* context_ = nullptr;
  int error_number_ = 0;
};

}  // namespace stenod::audio
