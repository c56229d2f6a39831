#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/settings/serve_settings.h"
#include "base/result.h"

namespace stenod::app {

/// A setting's value, whatever it was read from.
using SettingValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// Whether a text is allowed; the message says what was expected.
using TextCheck = Status (*)(const std::string& text);

// The kinds of settings: where the value lies, and what is allowed.
struct Switch {
  bool& (*at)(ServeSettings&);
};
struct Integer {
  std::int64_t& (*at)(ServeSettings&);
  std::int64_t min, max;
};
struct Number {
  double& (*at)(ServeSettings&);
  double min, max;
};
struct Choice {
  std::string& (*at)(ServeSettings&);
  std::span<const std::string_view> choices;
};
struct Text {
  std::string& (*at)(ServeSettings&);
  TextCheck check;
};
struct TextList {  ///< from flags and the environment: separated by commas
  std::vector<std::string>& (*at)(ServeSettings&);
  TextCheck check;  ///< of each
};

/// One setting in all its spellings: [live] silence_ms, STENOD_LIVE_SILENCE_MS, --live-silence-ms.
struct Setting {
  std::string_view section;
  std::string_view name;
  std::variant<Switch, Integer, Number, Choice, Text, TextList> kind;
  std::string_view description;
  std::string_view short_name = {};      ///< as other commands know it: "model" is --model and STENOD_MODEL
  std::string_view older_variable = {};  ///< also understood, below the others

  std::string key() const;             ///< "live.silence_ms"
  std::string flag() const;            ///< "--live-silence-ms"
  std::string variable() const;        ///< "STENOD_LIVE_SILENCE_MS"
  std::string short_flag() const;      ///< "--model", or empty
  std::string short_variable() const;  ///< "STENOD_MODEL", or empty
  std::string allowed() const;         ///< "100 to 10000", "text, json"; empty for free text
};

/// All of them, by section.
std::span<const Setting> settings_table();

SettingValue get_setting(const Setting& setting, const ServeSettings& settings);

/// The value as typed in a flag or a variable of the environment, as the kind has it: text that is no number stays
/// text.
SettingValue parse_setting(const Setting& setting, std::string_view typed);

/// As TOML has it.
std::string format_setting(const SettingValue& value);

/// Errors, which leave the value as it was: kInvalidArgument, kNotSupported.
Status set_setting(const Setting& setting, const SettingValue& value, ServeSettings& settings);

/// What is wrong with settings that are right one by one.
std::vector<Error> check_settings(const ServeSettings& settings);

/// For the documentation: one table a section, in Markdown.
std::string settings_markdown();

}  // namespace stenod::app
