#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "base/result.h"

struct AVIOContext;

namespace stenod::audio {

/// The bytes of one recording as FFmpeg reads them: the only door through which FFmpeg gets data.
class Input {
 public:
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input();

  AVIOContext* context() { return context_; }
  /// What messages call it.
  const std::string& name() const { return name_; }
  /// In bytes; absent for a live stream, which can't be sought in either.
  virtual std::optional<std::int64_t> size() const = 0;

  /// Why reading ended before the end of the data: FFmpeg may take it for the end.
  virtual Status status() const = 0;

  /// A packet of that many bytes, of any track, was found in what has been read.
  virtual void note_packet(int /*num_bytes*/) {}

 protected:
  explicit Input(std::string name) : name_(std::move(name)) {}
  /// To be called once, when reading can begin. Error: kOutOfMemory.
  Status make_context();

 private:
  /// As FFmpeg's AVIOContext wants them: bytes read or an AVERROR; the new position or an AVERROR.
  virtual int read(std::span<std::uint8_t> buffer) = 0;
  virtual std::int64_t seek(std::int64_t offset, int whence) = 0;

  std::string name_;
  AVIOContext* context_ = nullptr;
};

/// A file, on disk or in memory.
class FileInput final : public Input {
 public:
  /// `name` stands for the file in messages; empty: its path does.
  static Result<std::unique_ptr<Input>> open(const std::filesystem::path& path, std::string name, std::stop_token stop);
  static Result<std::unique_ptr<Input>> open_memory(std::span<const std::byte> bytes, const std::string& name,
                                                    std::stop_token stop);
  ~FileInput() override;

  std::optional<std::int64_t> size() const override { return size_; }
  /// kCancelled or kIoError.
  Status status() const override;

 private:
  FileInput(std::FILE* file, std::int64_t size, std::string name, std::stop_token stop);
  Status start();
  int read(std::span<std::uint8_t> buffer) override;
  std::int64_t seek(std::int64_t offset, int whence) override;

  std::FILE* file_;  ///< null for no bytes at all
  std::int64_t size_;
  std::stop_token stop_;
  int error_number_ = 0;
};

}  // namespace stenod::audio
