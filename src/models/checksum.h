#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::models {

/// What a file's bytes must add up to.
struct Checksum {
  enum class Kind {
    kSha256,   ///< 64 hexadecimal digits
    kGitBlob,  ///< Git's name for a file's contents: SHA-1 of "blob <size>\0" and the bytes, 40 digits
  };
  Kind kind = Kind::kSha256;
  std::string hex = {};  ///< lower case; empty: not known

  bool operator==(const Checksum&) const = default;
};

/// "SHA-256" or "Git blob SHA-1", as messages name it.
std::string_view checksum_name(Checksum::Kind kind);

/// Whether `hex` is one of that kind.
bool is_well_formed(const Checksum& checksum);

/// kModelBadChecksum, with both sizes or both checksums, if the file isn't what it should be; other errors of reading.
Status verify_file(const std::filesystem::path& path, std::uint64_t size, const Checksum& checksum);

/// Whether `path` is a file of that size and checksum (if known).
bool is_complete(const std::filesystem::path& path, std::uint64_t size, const Checksum& checksum);

}  // namespace stenod::models
