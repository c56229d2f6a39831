#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace stenod::quality {

/// A piece of a long recording whose place is known.
struct Part {
  double start_s = 0;
  std::string text;
};

/// A recording and what is said in it.
struct Recording {
  std::string id;
  std::filesystem::path audio;  ///< from the manifest's folder, or absolute
  std::string text;             ///< verbatim; empty: nobody speaks
  std::string language;         ///< Whisper's code; any, where nobody speaks
  std::string kind;             ///< one of recording_kinds()
  std::optional<double> duration_s = {};
  std::vector<Part> parts = {};  ///< of a long recording, in order; may be empty

  bool is_speech() const { return !text.empty(); }
};

/// read, spontaneous, long, telephone, noise, music, silence.
std::span<const std::string_view> recording_kinds();

/// Reads a manifest, one recording a line; docs/eval.md describes the format. `file` for messages. `audio` stays as
/// written, parts are not looked for. Errors: kJsonMalformed, kManifestMalformed, with line and member.
Result<std::vector<Recording>> parse_manifest(std::string_view contents, std::string_view file);

/// Reads what lies beside a long recording. Errors: as above.
Result<std::vector<Part>> parse_parts(std::string_view contents, std::string_view file);

/// The manifest of a file, with the parts of those recordings that have them beside their audio, as NAME.parts.json.
/// Errors: those of the two above and of read_file().
Result<std::vector<Recording>> read_manifest(const std::filesystem::path& file);

}  // namespace stenod::quality
