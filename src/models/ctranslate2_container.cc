#include "models/ctranslate2_container.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/byte_cursor.h"

namespace stenod::models {
namespace {

constexpr std::uint32_t kVersion = 6;
// Anything beyond is not an old or new version, but another kind of file.
constexpr std::uint32_t kMaxPlausibleVersion = 100;
constexpr int kMaxRank = 8;
constexpr std::size_t kMaxNameLength = kMaxTensorName;
constexpr std::size_t kMaxEntries = 65536;                       // large-v3 has about 1500 variables
constexpr std::size_t kMinVariableSize = 2 + 1 + 1 + 1 + 1 + 4;  // a name of one byte, rank 0
constexpr std::size_t kMinAliasSize = 2 * (2 + 1 + 1);

std::size_t type_size(Ct2Type type) {
  switch (type) {
    case Ct2Type::kInt8:
      return 1;
    case Ct2Type::kInt16:
    case Ct2Type::kFloat16:
    case Ct2Type::kBFloat16:
      return 2;
    case Ct2Type::kFloat32:
    case Ct2Type::kInt32:
      return 4;
  }
  return 0;
}

/// A string as the format stores it.
Result<std::string> read_text(ByteCursor& in, std::string_view what) {
  const std::size_t start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const auto length, in.number<std::uint16_t>(what));
  if (length < 2 || length > kMaxNameLength) {
    return in.error_at(
        ErrorCode::kModelBadName, start,
        fmt::format("{} has {} bytes with its final NUL, expected 2 to {}", what, length, kMaxNameLength));
  }
  STENOD_ASSIGN_OR_RETURN(const auto bytes, in.take(length, what));
  if (bytes.back() != std::byte{0}) {
    return in.error_at(ErrorCode::kModelBadName, start, fmt::format("{} does not end with NUL", what));
  }
  std::string value(reinterpret_cast<const char*>(bytes.data()), length - 1);
  if (!is_tensor_name(value)) {
    return in.error_at(ErrorCode::kModelBadName, start, fmt::format("{} is not printable ASCII without spaces", what));
  }
  return value;
}

/// A number of entries that need `min_size` bytes each.
Result<std::uint32_t> read_count(ByteCursor& in, std::size_t min_size, std::string_view what) {
  const std::size_t start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const auto value, in.number<std::uint32_t>(what));
  const std::size_t most = std::min(kMaxEntries, in.left() / min_size);
  if (value > most) {
    return in.error_at(ErrorCode::kModelBadCount, start,
                       fmt::format("{} is {}, expected at most {} in the {} bytes left", what, value, most, in.left()));
  }
  return value;
}

Status parse_header(ByteCursor& in, Ct2Container& container) {
  STENOD_ASSIGN_OR_RETURN(const auto version, in.number<std::uint32_t>("the format version"));
  if (version == 0 || version > kMaxPlausibleVersion) {
    return in.error_at(ErrorCode::kModelBadMagic, 0,
                       fmt::format("not a CTranslate2 model: it should start with the format version {} as a 32-bit "
                                   "number, found {:#x}",
                                   kVersion, version));
  }
  if (version != kVersion) {
    return in.error_at(ErrorCode::kModelUnsupportedVersion, 0,
                       fmt::format("format version {}, expected {}; convert the model again with a current "
                                   "ct2-transformers-converter",
                                   version, kVersion));
  }
  STENOD_ASSIGN_OR_RETURN(container.spec, read_text(in, "the specification's name"));
  STENOD_ASSIGN_OR_RETURN(container.revision, in.number<std::uint32_t>("the specification's revision"));
  return {};
}

Status parse_variable(ByteCursor& in, Ct2Container& container) {
  const std::size_t start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const std::string name, read_text(in, "a variable's name"));
  if (container.variables.contains(name)) {
    return in.error_at(ErrorCode::kModelDuplicateVariable, start, fmt::format("a second variable named {}", name));
  }

  const std::size_t shape_start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const auto rank, in.number<std::uint8_t>(fmt::format("the rank of {}", name)));
  if (rank > kMaxRank) {
    return in.error_at(ErrorCode::kModelBadShape, shape_start,
                       fmt::format("{} has {} dimensions, expected at most {}", name, rank, kMaxRank));
  }
  Ct2Variable variable;
  std::uint64_t num_values = 1;
  for (int i = 0; i < rank; ++i) {
    STENOD_ASSIGN_OR_RETURN(const auto dim, in.number<std::uint32_t>(fmt::format("the shape of {}", name)));
    num_values *= dim;
    // Both factors are below 2^32 each time, so the product can't have wrapped.
    if (dim == 0 || num_values > UINT32_MAX) {
      return in.error_at(ErrorCode::kModelBadShape, shape_start,
                         fmt::format("{} has a dimension of {} and {} values so far, expected 1 to {}", name, dim,
                                     num_values, UINT32_MAX));
    }
    variable.shape.push_back(dim);
  }

  const std::size_t type_start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const auto type, in.number<std::uint8_t>(fmt::format("the type of {}", name)));
  variable.type = Ct2Type{type};
  const std::size_t value_size = type_size(variable.type);
  if (value_size == 0) {
    return in.error_at(ErrorCode::kModelBadType, type_start,
                       fmt::format("{} has the data type number {}, expected 0 to 5", name, type));
  }

  const std::size_t size_start = in.offset();
  STENOD_ASSIGN_OR_RETURN(const auto size, in.number<std::uint32_t>(fmt::format("the size of {}", name)));
  if (size != num_values * value_size) {
    return in.error_at(
        ErrorCode::kModelBadSize, size_start,
        fmt::format("{} has {} bytes, but its shape and type need {}", name, size, num_values * value_size));
  }
  variable.offset = in.offset();
  STENOD_ASSIGN_OR_RETURN(variable.bytes, in.take(size, fmt::format("the data of {}", name)));
  container.variables.emplace(name, std::move(variable));
  return {};
}

Status parse_alias(ByteCursor& in, Ct2Container& container) {
  const std::size_t start = in.offset();
  STENOD_ASSIGN_OR_RETURN(std::string alias, read_text(in, "an alias"));
  STENOD_ASSIGN_OR_RETURN(std::string target, read_text(in, "an alias's target"));
  if (container.variables.contains(alias) || container.aliases.contains(alias)) {
    return in.error_at(ErrorCode::kModelDuplicateVariable, start, fmt::format("the alias {} is taken already", alias));
  }
  // Only variables may be targets, so there are no chains and no cycles.
  if (!container.variables.contains(target)) {
    return in.error_at(ErrorCode::kModelBadAlias, start,
                       fmt::format("the alias {} stands for {}, which is no variable of this file", alias, target));
  }
  container.aliases.emplace(std::move(alias), std::move(target));
  return {};
}

}  // namespace

const Ct2Variable* Ct2Container::find(std::string_view name) const {
  if (const auto it = variables.find(name); it != variables.end()) return &it->second;
  if (const auto it = aliases.find(name); it != aliases.end()) return &variables.find(it->second)->second;
  constexpr std::string_view kScale = "_scale";
  if (name.size() > kScale.size() && name.substr(name.size() - kScale.size()) == kScale) {
    if (const auto it = aliases.find(name.substr(0, name.size() - kScale.size())); it != aliases.end()) {
      const auto scale = variables.find(it->second + std::string(kScale));
      if (scale != variables.end()) return &scale->second;
    }
  }
  return nullptr;
}

Result<Ct2Container> parse_ct2_container(std::span<const std::byte> file, std::string_view name) {
  ByteCursor in(file, name);
  Ct2Container container;
  STENOD_RETURN_IF_ERROR(parse_header(in, container));
  STENOD_ASSIGN_OR_RETURN(const auto num_variables, read_count(in, kMinVariableSize, "the number of variables"));
  for (std::uint32_t i = 0; i < num_variables; ++i) STENOD_RETURN_IF_ERROR(parse_variable(in, container));
  STENOD_ASSIGN_OR_RETURN(const auto num_aliases, read_count(in, kMinAliasSize, "the number of aliases"));
  for (std::uint32_t i = 0; i < num_aliases; ++i) STENOD_RETURN_IF_ERROR(parse_alias(in, container));
  if (in.left() != 0) {
    return in.error_at(ErrorCode::kModelTrailingBytes, in.offset(),
                       fmt::format("{} bytes after the last field, expected the end of the file", in.left()));
  }
  return container;
}

}  // namespace stenod::models
