#include "quality/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "quality/json_record.h"
#include "text/language.h"

namespace stenod::quality {
namespace {

constexpr std::array<std::string_view, 7> kKinds = {"read",  "spontaneous", "long",   "telephone",
                                                    "noise", "music",       "silence"};
constexpr std::size_t kMaxFileBytes = 256 << 20;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxPathBytes = 4096;
constexpr double kMaxSeconds = 1e7;

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

Result<Recording> read_recording(const JsonRecord& record) {
  Recording out;
  STENOD_ASSIGN_OR_RETURN(out.id, record.name("id", kMaxNameBytes));
  if (has_control_character(out.id)) return record.error("id", "has a control character");
  STENOD_ASSIGN_OR_RETURN(const std::string audio, record.name("audio", kMaxPathBytes));
  if (audio.find('\0') != audio.npos) return record.error("audio", "has a zero byte");
  out.audio = audio;
  STENOD_ASSIGN_OR_RETURN(std::optional<std::string> text, record.optional_text("text"));
  out.text = std::move(text).value_or("");
  STENOD_ASSIGN_OR_RETURN(out.kind, record.name("kind", kMaxNameBytes));
  if (std::find(kKinds.begin(), kKinds.end(), out.kind) == kKinds.end()) {
    return record.error("kind", fmt::format("unknown kind '{}', expected {}", out.kind, fmt::join(kKinds, ", ")));
  }
  STENOD_ASSIGN_OR_RETURN(out.language, record.name("language", kMaxNameBytes));
  if (const text::Language* const language = text::find_language(out.language)) {
    out.language = language->code;
  } else if (out.is_speech()) {
    return record.error("language",
                        fmt::format("unknown language '{}', expected a code such as en, de, zh", out.language));
  }
  STENOD_ASSIGN_OR_RETURN(out.duration_s, record.optional_number("duration_s", 0, kMaxSeconds));
  return out;
}

}  // namespace

std::span<const std::string_view> recording_kinds() { return kKinds; }

Result<std::vector<Recording>> parse_manifest(std::string_view contents, std::string_view file) {
  std::vector<Recording> recordings;
  std::unordered_map<std::string, std::string> places;  // of ids
  const auto add = [&](const JsonRecord& record) -> Status {
    STENOD_ASSIGN_OR_RETURN(Recording recording, read_recording(record));
    const auto [first, is_new] = places.emplace(recording.id, record.where());
    if (!is_new) return record.error("id", fmt::format("'{}' stands in {} already", recording.id, first->second));
    recordings.push_back(std::move(recording));
    return {};
  };
  STENOD_RETURN_IF_ERROR(for_each_line(contents, file, ErrorCode::kManifestMalformed, add));
  if (recordings.empty()) {
    return Error{ErrorCode::kManifestMalformed,
                 fmt::format("{}: holds no recording, expected one JSON object a line", file)};
  }
  return recordings;
}

Result<std::vector<Part>> parse_parts(std::string_view contents, std::string_view file) {
  const auto value = parse_json(contents);
  if (!value) return Error{value.error().code, fmt::format("{}: {}", file, value.error().message)};
  const json::array* const array = value->if_array();
  if (array == nullptr) {
    return Error{ErrorCode::kManifestMalformed, fmt::format("{}: expected an array of parts", file)};
  }
  std::vector<Part> parts;
  for (const json::value& element : *array) {
    STENOD_ASSIGN_OR_RETURN(
        const JsonRecord record,
        JsonRecord::of(element, fmt::format("{}: part {}", file, parts.size() + 1), ErrorCode::kManifestMalformed));
    Part part;
    STENOD_ASSIGN_OR_RETURN(part.start_s, record.number("start_s", 0, kMaxSeconds));
    STENOD_ASSIGN_OR_RETURN(part.text, record.text("text"));
    if (!parts.empty() && part.start_s < parts.back().start_s) {
      return record.error("start_s", "is before that of the part before it");
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Result<std::vector<Recording>> read_manifest(const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const std::string contents, read_file(file, kMaxFileBytes));
  STENOD_ASSIGN_OR_RETURN(std::vector<Recording> recordings, parse_manifest(contents, file.string()));
  for (Recording& recording : recordings) {
    recording.audio = file.parent_path() / recording.audio;
    std::filesystem::path parts_file = recording.audio;
    parts_file.replace_extension(".parts.json");
    std::error_code ignored;
    if (!recording.is_speech() || !std::filesystem::exists(parts_file, ignored)) continue;
    STENOD_ASSIGN_OR_RETURN(const std::string parts, read_file(parts_file, kMaxFileBytes));
    STENOD_ASSIGN_OR_RETURN(recording.parts, parse_parts(parts, parts_file.string()));
  }
  return recordings;
}

}  // namespace stenod::quality
