#include "models/checksum.h"

#include <fmt/format.h>

#include <span>

#include "base/file.h"
#include "base/sha256.h"

namespace stenod::models {
namespace {

constexpr std::size_t kPiece = 16 << 20;

std::string compute(Checksum::Kind kind, const MappedFile& file) {
  auto bytes = file.bytes();
  if (kind == Checksum::Kind::kGitBlob) {
    const std::string head = fmt::format("blob {}", bytes.size());
    return sha1_hex({std::as_bytes(std::span(head.c_str(), head.size() + 1)), bytes});
  }
  Sha256 hash;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kPiece, bytes.size()))) {
    hash.update(bytes.first(std::min(kPiece, bytes.size())));
    file.release_pages();  // or a large model would push everything else out of memory
  }
  return hash.hex_digest();
}

}  // namespace

std::string_view checksum_name(Checksum::Kind kind) {
  return kind == Checksum::Kind::kSha256 ? "SHA-256" : "Git blob SHA-1";
}

bool is_well_formed(const Checksum& checksum) {
  return checksum.hex.size() == (checksum.kind == Checksum::Kind::kSha256 ? 64U : 40U) &&
         checksum.hex.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Status verify_file(const std::filesystem::path& path, std::uint64_t size, const Checksum& checksum) {
  STENOD_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  if (bytes.size() != size) {
    return Error{ErrorCode::kModelBadChecksum,
                 fmt::format("{}: {} bytes, expected {}", path.string(), bytes.size(), size), path.string()};
  }
  if (checksum.hex.empty()) return {};
  const std::string found = compute(checksum.kind, file);
  if (found == checksum.hex) return {};
  return Error{ErrorCode::kModelBadChecksum,
               fmt::format("{}: {} {}, expected {}", path.string(), checksum_name(checksum.kind), found, checksum.hex),
               path.string()};
}

bool is_complete(const std::filesystem::path& path, std::uint64_t size, const Checksum& checksum) {
  return verify_file(path, size, checksum).ok();
}

}  // namespace stenod::models
