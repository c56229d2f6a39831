#include "app/settings/load_settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <numeric>
#include <string_view>
#include <utility>

#include "app/console.h"
#include "app/settings/settings_table.h"
#include "app/settings/toml_file.h"
#include "base/file.h"
#include "base/paths.h"

namespace stenod::app {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// Kubernetes sets these for a service whose name begins with stenod-.
bool is_kubernetes_variable(std::string_view name) {
  return name.ends_with("_PORT") || name.find("_SERVICE_") != std::string_view::npos ||
         name.find("_PORT_") != std::string_view::npos;
}

std::string did_you_mean(const std::optional<std::string>& name) {
  return name ? fmt::format("; did you mean {}?", *name) : "";
}

Result<std::vector<TomlEntry>> read_toml(const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const std::string text, read_file(file, kMaxFileBytes));
  return parse_toml(text, file.string());
}

class Loader {
 public:
  explicit Loader(const SettingSources& sources) : sources_(sources) {
    loaded_.sources.assign(settings_table().size(), "default");
  }

  std::variant<LoadedSettings, std::vector<Error>> load() {
    read_file_settings();
    read_environment();
    read_flags();
    if (problems_.empty()) problems_ = check_settings(loaded_.values);
    if (!problems_.empty()) return std::move(problems_);
    return std::move(loaded_);
  }

 private:
  void refuse(std::string message) { problems_.push_back({ErrorCode::kInvalidArgument, std::move(message)}); }

  /// `where` is for messages, `source` for print_settings().
  void set(const Setting& setting, const SettingValue& value, std::string_view where, std::string source) {
    Status status = set_setting(setting, value, loaded_.values);
    if (status) {
      loaded_.sources[static_cast<std::size_t>(&setting - settings_table().data())] = std::move(source);
    } else {
      Error error = std::move(status).error();
      error.message = fmt::format("{}: {}", where, error.message);
      error.param = setting.key();
      problems_.push_back(std::move(error));
    }
  }

  const std::string* variable(const std::string& name) const {
    const auto found = sources_.environment.find(name);
    return name.empty() || found == sources_.environment.end() || found->second.empty() ? nullptr : &found->second;
  }

  std::optional<std::filesystem::path> find_file() const {
    if (sources_.file) return sources_.file;
    if (const std::string* named = variable("STENOD_CONFIG")) return *named;
    for (const auto& file : sources_.default_files) {
      std::error_code error;
      if (std::filesystem::exists(file, error) || error) return file;
    }
    return std::nullopt;
  }

  void read_file_settings() {
    const auto path = find_file();
    if (!path) return;
    loaded_.file = path->string();
    auto entries = read_toml(*path);
    if (!entries) return problems_.push_back(std::move(entries).error());
    for (const TomlEntry& entry : *entries) read_entry(entry);
  }

  void read_entry(const TomlEntry& entry) {
    const std::string where = fmt::format("{}:{}", loaded_.file, entry.line);
    std::vector<std::string> sections, names, keys_of_name;
    for (const Setting& setting : settings_table()) {
      sections.emplace_back(setting.section);
      if (setting.section == entry.section) names.emplace_back(setting.name);
      if (setting.name == entry.name) keys_of_name.push_back(setting.key());
      if (setting.section != entry.section || setting.name != entry.name) continue;
      if (!entry.is_other) return set(setting, entry.value, fmt::format("{}: {}", where, setting.key()), where);
      return refuse(fmt::format("{}: {}: a value of this kind is not allowed", where, setting.key()));
    }
    if (names.empty() && !entry.section.empty()) {
      // Said once, for the section; what stands in it is unknown as well.
      if (entry.name.empty()) {
        refuse(fmt::format("{}: unknown section [{}]{}", where, entry.section,
                           did_you_mean(closest(entry.section, sections))));
      }
    } else if (!entry.name.empty()) {
      auto meant = closest(entry.name, names);
      if (!meant && !keys_of_name.empty()) meant = keys_of_name.front();
      refuse(fmt::format("{}: unknown setting {}{}{}{}", where, entry.section, entry.section.empty() ? "" : ".",
                         entry.name, did_you_mean(meant)));
    }
  }

  void read_environment() {
    std::vector<std::string> known;
    for (const Setting& setting : settings_table()) {
      known.push_back(setting.variable());
      for (const std::string& name :
           {setting.variable(), setting.short_variable(), std::string(setting.older_variable)}) {
        if (const std::string* typed = variable(name)) {
          set(setting, parse_setting(setting, *typed), name, name);
          break;
        }
      }
    }
    for (const auto& [name, value] : sources_.environment) {
      const bool is_of_section = std::any_of(
          settings_table().begin(), settings_table().end(), [&, n = std::string_view(name)](const Setting& s) {
            return n.starts_with(s.variable().substr(0, std::string_view("STENOD_").size() + s.section.size() + 1));
          });
      if (!is_of_section || value.empty() || is_kubernetes_variable(name)) continue;
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        refuse(fmt::format("unknown variable {}{}", name, did_you_mean(closest(name, known))));
      }
    }
  }

  void read_flags() {
    for (const auto& [flag, typed] : sources_.flags) {
      const auto found = std::find_if(settings_table().begin(), settings_table().end(),
                                      [&, f = std::string_view(flag)](const Setting& setting) {
                                        return setting.flag() == f || setting.short_flag() == f;
                                      });
      if (found != settings_table().end()) {
        set(*found, parse_setting(*found, typed), flag, flag);
        continue;
      }
      std::vector<std::string> known = {"--config", "--print-config", "--help"};
      for (const Setting& setting : settings_table()) {
        known.push_back(setting.flag());
        if (!setting.short_name.empty()) known.push_back(setting.short_flag());
      }
      refuse(fmt::format("unknown option {}{}", flag, did_you_mean(closest(flag, known))));
    }
  }

  const SettingSources& sources_;
  LoadedSettings loaded_;
  std::vector<Error> problems_;
};

}  // namespace

std::vector<std::filesystem::path> default_settings_files() {
  return {config_dir() / "stenod.toml", "/etc/stenod/stenod.toml"};
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> result;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

std::variant<LoadedSettings, std::vector<Error>> load_settings(const SettingSources& sources) {
  return Loader(sources).load();
}

std::string print_settings(const LoadedSettings& settings) {
  std::string out =
      settings.file.empty() ? "# No settings file was read.\n" : fmt::format("# Read: {}\n", printable(settings.file));
  std::string_view section;
  for (std::size_t i = 0; i < settings_table().size(); ++i) {
    const Setting& setting = settings_table()[i];
    if (setting.section != section) {
      section = setting.section;
      out += fmt::format("\n[{}]\n", section);
    }
    out += fmt::format("{} = {}  # {}\n", setting.name, format_setting(get_setting(setting, settings.values)),
                       printable(settings.sources[i]));
  }
  return out;
}

std::optional<std::string> closest(std::string_view typed, const std::vector<std::string>& names) {
  constexpr std::size_t kMaxBytes = 100;  // whoever types more has meant none
  std::optional<std::string> best;
  std::size_t best_distance = std::min(typed.size(), kMaxBytes) / 3 + 1;
  for (const std::string& name : names) {
    if (typed.size() > kMaxBytes) break;
    if (const std::size_t d = distance(typed, name); d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace stenod::app
