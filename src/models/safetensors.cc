#include "models/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/json.h"
#include "models/byte_cursor.h"
#include "models/data_type.h"

namespace stenod::models {
namespace {

constexpr std::uint64_t kMaxHeaderSize = 16 << 20;  // large-v3's has 0.2 MB
constexpr std::size_t kMaxRank = 8;
constexpr std::size_t kMaxFiles = 256;
constexpr std::string_view kMetadata = "__metadata__";

std::optional<DataType> parse_type(std::string_view name) {
  if (name == "F32") return DataType::kFloat32;
  if (name == "F16") return DataType::kFloat16;
  if (name == "BF16") return DataType::kBFloat16;
  return std::nullopt;
}

std::optional<std::uint64_t> as_size(const json::value& value) {
  if (const auto* number = value.if_uint64()) return *number;
  if (const auto* number = value.if_int64(); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  return std::nullopt;
}

/// Reads the header's entries.
class HeaderReader {
 public:
  HeaderReader(std::string_view name, std::size_t data_offset, std::span<const std::byte> data)
      : name_(name), data_offset_(data_offset), data_(data) {}

  Status read(const json::object& header, NamedTensors& tensors) {
    for (const auto& [key, value] : header) {
      STENOD_RETURN_IF_ERROR(key == kMetadata ? check_metadata(value) : read_entry(key, value, tensors));
    }
    return check_places();
  }

 private:
  struct Place {
    std::uint64_t begin, end;
    std::string_view tensor;
  };

  Error error(ErrorCode code, const std::string& what) const {
    return {code, fmt::format("{}: in the header: {}", name_, what), std::string(name_)};
  }

  Status check_metadata(const json::value& value) const {
    const json::object* object = value.if_object();
    const bool is_text = object != nullptr && std::all_of(object->begin(), object->end(),
                                                          [](const auto& entry) { return entry.value().is_string(); });
    if (is_text) return {};
    return error(ErrorCode::kModelBadHeader, fmt::format("{} is no object of strings", kMetadata));
  }

  Status read_entry(std::string_view tensor, const json::value& value, NamedTensors& tensors) {
    if (!is_tensor_name(tensor)) {
      return error(
          ErrorCode::kModelBadName,
          fmt::format("a tensor's name is not printable ASCII without spaces, or longer than {}", kMaxTensorName));
    }
    const json::object* entry = value.if_object();
    const auto member = [&](std::string_view key) { return entry != nullptr ? entry->if_contains(key) : nullptr; };
    const json::value *type = member("dtype"), *shape = member("shape"), *offsets = member("data_offsets");
    if (type == nullptr || !type->is_string() || shape == nullptr || !shape->is_array() || offsets == nullptr ||
        !offsets->is_array() || offsets->get_array().size() != 2) {
      return error(ErrorCode::kModelBadHeader,
                   fmt::format("{} needs a dtype, a shape and two data_offsets, found {}", tensor, shown(value)));
    }
    NamedTensor added;
    added.file = name_;
    const auto data_type = parse_type(type->get_string());
    if (!data_type) {
      return error(ErrorCode::kModelBadType,
                   fmt::format("{} is of type {}, expected F32, F16 or BF16", tensor, shown(*type)));
    }
    added.view.type = *data_type;
    STENOD_ASSIGN_OR_RETURN(const std::uint64_t num_values, read_shape(tensor, shape->get_array(), added.view.shape));
    const auto begin = as_size(offsets->get_array()[0]), end = as_size(offsets->get_array()[1]);
    if (!begin || !end || *begin > *end || *end > data_.size()) {
      return error(ErrorCode::kModelBadOffsets,
                   fmt::format("{} lies at {}, expected within the {} bytes behind the header; the file may be an "
                               "incomplete download",
                               tensor, shown(*offsets), data_.size()));
    }
    const std::size_t size = data_bytes(*data_type, num_values);
    if (*end - *begin != size) {
      return error(ErrorCode::kModelBadSize,
                   fmt::format("{} has {} bytes, but its shape and type need {}", tensor, *end - *begin, size));
    }
    added.offset = data_offset_ + *begin;
    added.view.bytes = data_.subspan(*begin, size);
    const auto [place, is_new] = tensors.emplace(tensor, std::move(added));
    if (!is_new) {
      return error(ErrorCode::kModelDuplicateVariable, fmt::format("{} is in {} too", tensor, place->second.file));
    }
    places_.push_back({*begin, *end, place->first});
    return {};
  }

  Result<std::uint64_t> read_shape(std::string_view tensor, const json::array& from,
                                   std::vector<std::int64_t>& shape) const {
    std::uint64_t num_values = 1;
    bool is_possible = from.size() <= kMaxRank;
    for (std::size_t i = 0; i < from.size() && is_possible; ++i) {
      const auto size = as_size(from[i]);
      is_possible = size && *size > 0 && *size <= UINT32_MAX && (num_values *= *size) <= UINT32_MAX;
      if (is_possible) shape.push_back(static_cast<std::int64_t>(*size));
    }
    if (is_possible) return num_values;
    return error(ErrorCode::kModelBadShape, fmt::format("{} is {}, expected at most {} dimensions with 1 to {} values",
                                                        tensor, shown(from), kMaxRank, UINT32_MAX));
  }

  /// Each byte of the data belongs to one tensor.
  Status check_places() {
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
    std::uint64_t at = 0;
    for (const Place& place : places_) {
      if (place.begin != at) {
        return error(ErrorCode::kModelBadOffsets,
                     fmt::format("{} begins at {}, where {} was expected: {}", place.tensor, place.begin, at,
                                 place.begin < at ? "it overlaps another tensor" : "there is a gap before it"));
      }
      at = place.end;
    }
    if (at == data_.size()) return {};
    return Error{ErrorCode::kModelTrailingBytes,
                 fmt::format("{}: at byte {}: {} bytes that belong to no tensor, expected the end of the file", name_,
                             data_offset_ + at, data_.size() - at),
                 std::string(name_)};
  }

  /// A value for a message, not too long.
  static std::string shown(const json::value& value) { return json::serialize(value).substr(0, 100); }

  std::string_view name_;
  std::size_t data_offset_;
  std::span<const std::byte> data_;
  std::vector<Place> places_;
};

/// `where` stands in messages behind the file's name.
Result<json::object> parse_unique(std::string_view text, std::string_view name, std::string_view where = "") {
  auto value = parse_json(text);
  if (value) {
    if (Status unique = check_unique_keys(text); !unique) value = std::move(unique).error();
  }
  if (!value) {
    return Error{value.error().code, fmt::format("{}: {}{}", name, where, value.error().message), std::string(name)};
  }
  if (!value->is_object()) {
    return Error{ErrorCode::kModelBadHeader, fmt::format("{}: {}expected a JSON object", name, where),
                 std::string(name)};
  }
  return std::move(value->get_object());
}

}  // namespace

Status parse_safetensors(std::span<const std::byte> file, std::string_view name, NamedTensors& tensors) {
  ByteCursor in(file, name);
  STENOD_ASSIGN_OR_RETURN(const auto header_size, in.number<std::uint64_t>("the header's length"));
  if (in.left() > 0 && file[in.offset()] != std::byte{'{'}) {
    return in.error_at(ErrorCode::kModelBadMagic, in.offset(),
                       "not a safetensors file: its header should start with '{'");
  }
  if (header_size < 2 || header_size > kMaxHeaderSize) {
    return in.error_at(ErrorCode::kModelBadHeader, 0,
                       fmt::format("a header of {} bytes, expected 2 to {}", header_size, kMaxHeaderSize));
  }
  STENOD_ASSIGN_OR_RETURN(const auto text, in.take(header_size, "the header"));
  STENOD_ASSIGN_OR_RETURN(
      const json::object header,
      parse_unique({reinterpret_cast<const char*>(text.data()), text.size()}, name, "in the header: "));
  return HeaderReader(name, in.offset(), file.subspan(in.offset())).read(header, tensors);
}

Result<SafetensorsIndex> parse_safetensors_index(std::string_view text, std::string_view name) {
  const auto fail = [&](const std::string& what) {
    return Error{ErrorCode::kModelBadIndex, fmt::format("{}: {}", name, what), std::string(name)};
  };
  STENOD_ASSIGN_OR_RETURN(const json::object object, parse_unique(text, name));
  const json::value* map = object.if_contains("weight_map");
  if (map == nullptr || !map->is_object() || map->get_object().empty()) {
    return fail("there is no weight_map with the file of each tensor");
  }
  SafetensorsIndex index;
  std::set<std::string_view> files;
  for (const auto& [tensor, value] : map->get_object()) {
    if (!is_tensor_name(tensor)) return fail("a tensor's name is not printable ASCII without spaces");
    const json::string* file = value.if_string();
    const std::string_view file_name = file != nullptr ? std::string_view(*file) : std::string_view();
    // The index may come from anywhere; it must not make anybody read other files than its folder's.
    if (!is_tensor_name(file_name) || file_name.find_first_of("/\\") != file_name.npos ||
        !file_name.ends_with(".safetensors") || file_name.starts_with('.')) {
      return fail(fmt::format("the file of {} is {}, expected a name like model-00001-of-00002.safetensors", tensor,
                              json::serialize(value).substr(0, 100)));
    }
    files.insert(file_name);
    if (files.size() > kMaxFiles) return fail(fmt::format("more than {} files", kMaxFiles));
    index.emplace(tensor, file_name);
  }
  return index;
}

Status check_against_index(const NamedTensors& tensors, const SafetensorsIndex& index, std::string_view name) {
  const auto fail = [&](const std::string& what) {
    return Error{ErrorCode::kModelBadIndex, fmt::format("{}: {}", name, what), std::string(name)};
  };
  for (const auto& [tensor, file] : index) {
    const auto found = tensors.find(tensor);
    if (found == tensors.end())
      return fail(fmt::format("{} should be in {}, but is in none of the files", tensor, file));
    const auto actual = std::filesystem::path(found->second.file).filename().string();
    if (actual != file) return fail(fmt::format("{} should be in {}, but is in {}", tensor, file, actual));
  }
  for (const auto& [tensor, found] : tensors) {
    if (!index.contains(tensor)) return fail(fmt::format("{}, which {} holds, is not named", tensor, found.file));
  }
  return {};
}

}  // namespace stenod::models
