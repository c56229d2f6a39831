#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::models {

inline constexpr std::size_t kMaxTensorName = 512;

/// Printable ASCII without spaces, 1 to kMaxTensorName characters: what may be put into a message as it is.
inline bool is_tensor_name(std::string_view name) {
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  return !name.empty() && name.size() <= kMaxTensorName && std::all_of(name.begin(), name.end(), printable);
}

/// Walks through the bytes of a little-endian file; never past their end. `name` is the file, for messages.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> file, std::string_view name) : file_(file), name_(name) {}

  std::size_t offset() const { return at_; }
  std::size_t left() const { return file_.size() - at_; }

  Error error_at(ErrorCode code, std::size_t offset, const std::string& what) const {
    return {code, fmt::format("{}: at byte {}: {}", name_, offset, what), std::string(name_)};
  }

  /// Error: kModelTruncated, as for take().
  template <typename T>
  Result<T> number(std::string_view what) {
    STENOD_ASSIGN_OR_RETURN(const auto bytes, take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  Result<std::span<const std::byte>> take(std::size_t size, std::string_view what) {
    if (left() < size) {
      return error_at(
          ErrorCode::kModelTruncated, at_,
          fmt::format("the file ends within {}: {} bytes expected, {} left; it may be an incomplete download", what,
                      size, left()));
    }
    const auto bytes = file_.subspan(at_, size);
    at_ += size;
    return bytes;
  }

 private:
  std::span<const std::byte> file_;
  std::string_view name_;
  std::size_t at_ = 0;
};

}  // namespace stenod::models
