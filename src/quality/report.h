#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "quality/comparison.h"
#include "quality/evaluation.h"

namespace stenod::quality {

/// What was measured with what.
struct RunInfo {
  std::string version;  ///< of the program
  std::string manifest;
  std::string hypotheses = {};  ///< the file with texts made elsewhere; empty: transcribed here, by:
  std::string model = {};
  std::string device = {};  ///< with its instruction set
  std::string compute_type = {};
  std::string cpu_model = {};
  std::vector<std::pair<std::string, std::string>> options = {};  ///< name and value
};

/// How long the recordings took, several at once.
struct Speed {
  double audio_s = 0, wall_s = 0;
};

struct Report {
  RunInfo info;
  Evaluation evaluation;
  std::optional<Speed> speed = {};
  std::string against = {};  ///< the file of the earlier report
  std::optional<Comparison> comparison = {};
};

/// Tables for people. Valid UTF-8 without control characters but line ends.
std::string report_text(const Report& report);

/// Everything for programs, docs/eval.md describes it. Rates and times have five and three decimals.
std::string report_json(const Report& report);

/// The recordings of a report that report_json() wrote. `file` for messages. Errors: kReportMalformed, with the member.
Result<std::vector<RecordingResult>> parse_report(std::string_view contents, std::string_view file);

Result<std::vector<RecordingResult>> read_report(const std::filesystem::path& file);

}  // namespace stenod::quality
