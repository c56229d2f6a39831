#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "quality/manifest.h"
#include "text/segment.h"

namespace stenod::quality {

/// What was written for a recording.
struct Hypothesis {
  std::string text;
  std::vector<text::Word> words = {};       ///< with times; empty: not known
  std::optional<std::string> failure = {};  ///< why there is no text, or not all
};

struct Hypotheses {
  std::vector<Hypothesis> of_recordings;  ///< in their order; those without a line have failed
  std::size_t num_unknown = 0;            ///< lines about recordings that are not among them
};

/// Texts that were made elsewhere, as `stenod transcribe --format jsonl` writes them: one object a line with "id" or
/// "file", and "text" or "error"; from "segments" the words' times are taken. `file` for messages. Errors:
/// kJsonMalformed, kHypothesesMalformed, with line and member.
Result<Hypotheses> parse_hypotheses(std::string_view contents, std::string_view file,
                                    std::span<const Recording> recordings);

Result<Hypotheses> read_hypotheses(const std::filesystem::path& file, std::span<const Recording> recordings);

}  // namespace stenod::quality
