#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "app/command_line.h"
#include "base/result.h"

namespace stenod::app {

// Options that several commands have: added before the parsing, which what they are given must outlive, and finished
// after it.

/// Values as they were typed, until all is known to be right. One for each command: CLI11 also sets the variables of
/// the environment on options of commands that were not called.
struct RawOptions {
  std::string log_level = "info";
  std::string device = "auto";
  std::string compute_type = "auto";
  std::string max_isa = "auto";
  std::string language = "auto";
  std::string task = "transcribe";
  std::string channels = "mix";
  std::string format = "text";
  std::string condition_on_previous_text;
  bool no_vad = false;
};

void add_log_level(CLI::App& app, RawOptions& raw);

void add_engine_options(CLI::App& app, EngineSettings& settings, RawOptions& raw);
std::optional<UsageExit> finish_engine(const CLI::App& app, const RawOptions& raw, EngineSettings& settings);

/// How a recording is transcribed; docs/options.md describes them.
void add_file_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw);
/// Also checks whether the options go together, so whatever else changes them comes first.
std::optional<UsageExit> finish_file(const RawOptions& raw, transcribe::FileOptions& file);

/// Names what gave an option its value: the option where it was typed, else the variable of the environment.
std::string source_of(const CLI::App& app, const CLI::Option* option, const char* older_variable = nullptr);

/// What is wrong. `code` for programs, where there is one.
UsageExit wrong(std::string_view message, std::optional<ErrorCode> code = std::nullopt);

}  // namespace stenod::app
