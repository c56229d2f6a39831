#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "access/key_store.h"
#include "app/settings/load_settings.h"
#include "base/log.h"
#include "app/listen_command.h"
#include "compute/isa.h"
#include "compute/types.h"
#include "text/format.h"
#include "transcribe/file_transcriber.h"

namespace stenod::app {

/// What model runs on what.
struct EngineSettings {
  std::string model = "base";                        ///< name or folder
  std::string model_source = "--model";              ///< what named it: the option or a variable of the environment
  int num_threads = 0;                               ///< 0: as many as the process has cores
  std::optional<compute::ComputeType> compute_type;  ///< absent: the fastest
  std::optional<compute::Isa> max_isa;               ///< absent: what the machine has
};

struct TranscribeCommand {
  EngineSettings engine;
  transcribe::FileOptions file;
  std::vector<text::Format> formats = {text::Format::kText};  ///< more than one only with `output_dir`
  text::FormatOptions layout;
  std::filesystem::path output_dir;  ///< empty: standard output
  std::size_t num_jobs = 16;         ///< files at once
  bool quiet = false;
  std::vector<std::string> files;
};

struct BenchFileCommand {
  EngineSettings engine;
  transcribe::FileOptions file;
  int num_repeats = 5;
  bool json = false;
  std::vector<std::string> files;
};

struct EvalCommand {
  EngineSettings engine;
  transcribe::FileOptions file;
  bool language_from_manifest = true;  ///< else file.language
  std::filesystem::path manifest;
  std::vector<std::string> only;  ///< kinds, languages, KIND/LANGUAGE; empty: everything
  std::size_t limit = 0;          ///< recordings; 0: no limit
  std::filesystem::path json;     ///< these files may be empty: none
  std::filesystem::path against;
  std::filesystem::path hypotheses;
  std::filesystem::path output;
  std::size_t num_jobs = 16;
  bool quiet = false;
  std::vector<std::pair<std::string, std::string>> options;  ///< all that say how it is transcribed, as given
};

enum class ModelAction { kPull, kList, kInfo, kPath, kRemove };

struct ModelCommand {
  ModelAction action = ModelAction::kList;
  std::vector<std::string> names;
  bool quiet = false;
  bool json = false;
};

struct DoctorCommand {
  EngineSettings engine;
  bool json = false;
};

struct ServeCommand {
  LoadedSettings settings;
  bool print_config = false;
};

struct CreateKey {
  access::NewKey key;
};
struct ListKeys {
  bool json = false;
};
struct RevokeKey {
  std::string id;
};

struct KeyCommand {
  std::variant<ListKeys, CreateKey, RevokeKey> action;
};

using Command = std::variant<TranscribeCommand, BenchFileCommand, EvalCommand, ModelCommand, DoctorCommand,
                             ServeCommand, KeyCommand, ListenCommand>;

struct CommandLine {
  Command command;
  std::string log_level = "info";
  LogFormat log_format = LogFormat::kMessages;
};

/// Nothing to run: help or version for standard output (status 0), or what is wrong for standard error (status 2).
struct UsageExit {
  int status = 2;
  std::string text;
};

/// Flags win over STENOD_* variables of the environment, those over MODEL_SIZE and DEVICE, those over defaults.
std::variant<CommandLine, UsageExit> parse_command_line(int argc, const char* const* argv);

/// The end of a key's rights: of "2027-12-31" the end of that day (UTC), of "30d" or "12h" so long after `now`. Error:
/// kInvalidArgument.
Result<std::chrono::sys_seconds> parse_expiry(std::string_view text, std::chrono::sys_seconds now);

/// "stenod 1.2.3"
std::string version_text();

}  // namespace stenod::app
