#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "app/settings/serve_settings.h"
#include "base/error.h"

namespace stenod::app {

/// Where settings come from. Flags win over the environment, that over the file, that over the defaults.
struct SettingSources {
  std::map<std::string, std::string> environment;
  std::optional<std::filesystem::path>
      file;  ///< --config; absent: STENOD_CONFIG, else the first default_files() there is
  std::vector<std::filesystem::path> default_files;
  std::vector<std::pair<std::string, std::string>> flags;  ///< as typed: {"--live-silence-ms", "700"}
};

struct LoadedSettings {
  ServeSettings values;
  std::string file;                  ///< that was read, or empty
  std::vector<std::string> sources;  ///< of each setting in the order of settings_table(): "default", "FILE:LINE", …
};

/// $XDG_CONFIG_HOME/stenod/stenod.toml and /etc/stenod/stenod.toml.
std::vector<std::filesystem::path> default_settings_files();
std::map<std::string, std::string> process_environment();

/// Everything that is wrong is reported at once.
std::variant<LoadedSettings, std::vector<Error>> load_settings(const SettingSources& sources);

/// The settings in force as a settings file, with a comment where each came from.
std::string print_settings(const LoadedSettings& settings);

/// The name that is most like `typed`, if any is like enough to have been meant.
std::optional<std::string> closest(std::string_view typed, const std::vector<std::string>& names);

}  // namespace stenod::app
