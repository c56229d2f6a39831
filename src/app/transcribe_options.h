#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "app/command_line.h"
#include "app/common_options.h"

namespace stenod::app {

/// Adds `stenod transcribe`. `command` and `raw` must outlive the parsing.
CLI::App* add_transcribe(CLI::App& app, TranscribeCommand& command, RawOptions& raw);
std::optional<UsageExit> finish_transcribe(const CLI::App& app, const RawOptions& raw, TranscribeCommand& command);

}  // namespace stenod::app
