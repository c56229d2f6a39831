#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace stenod::models {

/// Data types as a model.bin numbers them.
enum class Ct2Type : std::uint8_t { kFloat32 = 0, kInt8 = 1, kInt16 = 2, kInt32 = 3, kFloat16 = 4, kBFloat16 = 5 };

/// One variable of a model.bin. The data stays in the file's memory and may be unaligned.
struct Ct2Variable {
  Ct2Type type = Ct2Type::kFloat32;
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  std::span<const std::byte> bytes;
  std::size_t offset = 0;  ///< of the data in the file, for messages
};

/// A model.bin of CTranslate2, format version 6, taken apart: the layer below any particular architecture.
///
/// Little-endian throughout. u32 version; string spec; u32 revision; u32 number of variables; each variable: string
/// name, u8 rank, u32 dims[rank], u8 type, u32 size in bytes, data. Then u32 number of aliases; each: string alias,
/// string target. A string is u16 length including a final NUL, bytes, NUL. The file ends there.
/// (https://github.com/OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py writes it.)
struct Ct2Container {
  std::string spec;
  std::uint32_t revision = 0;
  std::map<std::string, Ct2Variable, std::less<>> variables;
  std::map<std::string, std::string, std::less<>> aliases;  ///< every target is one of `variables`

  /// The variable of that name, aliases resolved; nullptr if there is none. An alias of a quantised weight stands for
  /// its scale too: with `a` an alias of `b`, `a_scale` is `b_scale`.
  const Ct2Variable* find(std::string_view name) const;
};

/// Takes apart `file`, which must outlive the result; `name` is for messages. Every count, length and size is checked
/// against what is left of the file before it is used, so memory stays in proportion to the file.
///
/// Errors: kModelTruncated, kModelBadMagic, kModelUnsupportedVersion, kModelBadCount, kModelBadName,
/// kModelDuplicateVariable, kModelBadType, kModelBadShape (rank, or a product beyond 2^32), kModelBadSize,
/// kModelBadAlias, kModelTrailingBytes.
Result<Ct2Container> parse_ct2_container(std::span<const std::byte> file, std::string_view name);

}  // namespace stenod::models
