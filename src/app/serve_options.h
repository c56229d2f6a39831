#pragma once

#include <memory>
#include <variant>

#include "app/command_line.h"

namespace CLI {
class App;
}

namespace stenod::app {

/// The options of `stenod serve`: one for each setting. Must outlive the parsing.
class ServeOptions {
 public:
  ServeOptions();
  ~ServeOptions();

  /// Adds the command.
  CLI::App* add(CLI::App& app);
  /// Once the command line was parsed: puts flags, environment and settings file together.
  std::variant<CommandLine, UsageExit> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stenod::app
