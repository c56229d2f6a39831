#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace stenod::models {

/// A Python wheel (a zip file), opened for reading.
class Wheel {
 public:
  /// Errors: kModelBadArchive, kNotFound, kPermissionDenied.
  static Result<Wheel> open(const std::filesystem::path& path);

  Wheel(Wheel&&) noexcept;
  Wheel& operator=(Wheel&&) noexcept;
  ~Wheel();

  /// Passes the bytes of the file `name` to `sink`, at most `max_bytes` of them. Errors: kModelBadArchive (there is no
  /// such file, it is larger or damaged), or what the sink returned.
  Status extract(const std::string& name, std::uint64_t max_bytes,
                 const std::function<Status(std::span<const std::byte>)>& sink);

 private:
  struct State;
  explicit Wheel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace stenod::models
