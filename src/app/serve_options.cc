#include "app/serve_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "app/console.h"
#include "app/settings/load_settings.h"
#include "app/settings/settings_table.h"

namespace stenod::app {
namespace {

constexpr const char* kFooter = R"(Every setting has three spellings: [live] silence_ms in the settings file,
STENOD_LIVE_SILENCE_MS, --live-silence-ms. Flags win over the environment, that
over the file.

Examples:
  stenod serve
  stenod serve --listen 0.0.0.0:8765 --server-tls-certificate c.pem --server-tls-key k.pem
  stenod serve --print-config > stenod.toml)";

}  // namespace

struct ServeOptions::State {
  CLI::App* app = nullptr;
  std::string config;
  bool print_config = false;
  std::list<std::pair<const CLI::Option*, std::string>> typed;  // a list: CLI11 keeps references
};

ServeOptions::ServeOptions() : state_(std::make_unique<State>()) {}
ServeOptions::~ServeOptions() = default;

CLI::App* ServeOptions::add(CLI::App& app) {
  CLI::App* const serve = app.add_subcommand("serve", "Serve live transcription and files over HTTP and WebSocket");
  state_->app = serve;
  serve->footer(kFooter);
  serve->allow_extras();  // reported together with everything else that is wrong
  serve->add_option("--config", state_->config, "Settings file (TOML)")->type_name("FILE");
  serve->add_flag("--print-config", state_->print_config, "Print the settings in force as a settings file, and exit");
  const ServeSettings defaults;
  for (const Setting& setting : settings_table()) {
    auto& [option, typed] = state_->typed.emplace_back();
    // The first is the one that messages name.
    const std::string names = (setting.short_name.empty() ? "" : setting.short_flag() + ",") + setting.flag();
    const std::string description(setting.description);
    const SettingValue value = get_setting(setting, defaults);
    CLI::Option* added = nullptr;
    if (std::holds_alternative<bool>(value)) {
      added = serve->add_flag(names, typed, description);
    } else {
      const auto* text = std::get_if<std::string>(&value);
      const std::string allowed = setting.allowed();
      added = serve->add_option(names, typed, description);
      added->type_name(allowed.empty() ? "TEXT" : allowed)
          ->default_str(text != nullptr ? *text : format_setting(value));
    }
    added->take_last()->group(fmt::format("[{}]", setting.section));
    option = added;
  }
  return serve;
}

std::variant<CommandLine, UsageExit> ServeOptions::finish() {
  SettingSources sources{process_environment(), std::nullopt, default_settings_files(), {}};
  if (!state_->config.empty()) sources.file = state_->config;
  for (const auto& [option, typed] : state_->typed) {
    if (option->count() > 0) sources.flags.emplace_back(option->get_name(), typed);
  }
  bool may_be_value = false;  // of an unknown option
  for (const std::string& word : state_->app->remaining()) {
    const bool is_option = word.starts_with('-');
    if (is_option || !may_be_value) sources.flags.emplace_back(word.substr(0, word.find('=')), "");
    may_be_value = is_option && word.find('=') == std::string::npos;
  }

  auto loaded = load_settings(sources);
  if (const auto* problems = std::get_if<std::vector<Error>>(&loaded)) {
    std::string text;
    for (const Error& problem : *problems) {
      const std::string code =
          problem.code == ErrorCode::kInvalidArgument ? "" : fmt::format(" ({})", error_name(problem.code));
      text += fmt::format("error: {}{}\n", printable(problem.message), code);
    }
    return UsageExit{2, text + "See: stenod serve --help\n"};
  }
  ServeCommand command{std::get<LoadedSettings>(std::move(loaded)), state_->print_config};
  CommandLine line{{},
                   command.settings.values.log.level,
                   command.settings.values.log.format == "json" ? LogFormat::kJson : LogFormat::kText};
  line.command = std::move(command);
  return line;
}

}  // namespace stenod::app
