#include "app/program.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <variant>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "base/log.h"

namespace stenod::app {

int run_program(int argc, const char* const* argv) try {
  const auto parsed = parse_command_line(argc, argv);
  if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
    fmt::print(usage->status == kSuccess ? stdout : stderr, "{}", usage->text);
    return usage->status;
  }
  const auto& line = std::get<CommandLine>(parsed);
  init_log(line.log_level);
  Interrupt interrupt;
  return std::visit([&](const auto& command) { return run(command, interrupt); }, line.command);
} catch (const std::exception& error) {
  // Only what nobody can foresee: memory or threads that the system does not give.
  fmt::print(stderr, "error: {}\n", error.what());
  return kFailure;
}

}  // namespace stenod::app
