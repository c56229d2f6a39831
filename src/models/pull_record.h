#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/hub.h"

namespace stenod::models {

/// Lies beside the files of a model whose checksums are not compiled in: what the hub said they should be, and when.
struct PullRecord {
  std::string url;       ///< of the repository
  std::string revision;  ///< that was asked for
  HubSnapshot snapshot;
  std::string time;  ///< UTC, "2026-01-31T12:00:00Z"
};

inline constexpr std::string_view kPullRecordFile = "stenod-pull.json";

/// Nothing if the folder has no record, or one that can't be read: the model then counts as one of the user's own.
std::optional<PullRecord> read_pull_record(const std::filesystem::path& folder);

/// Errors: those of writing.
Status write_pull_record(const std::filesystem::path& folder, const PullRecord& record);

}  // namespace stenod::models
