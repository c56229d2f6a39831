#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/settings/settings_table.h"
#include "base/result.h"

namespace stenod::app {

/// One line of a settings file.
struct TomlEntry {
  std::string section;
  std::string name;    ///< empty: the section itself
  SettingValue value;  ///< a date or a table, which no setting takes, is its text, with `is_other`
  bool is_other = false;
  int line = 0;
};

/// Reads TOML 1.0; in the order of the lines. Error: kInvalidArgument, with the line, as "FILE:LINE: …".
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file);

}  // namespace stenod::app
