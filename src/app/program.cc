#include "app/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <variant>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/console.h"
#include "app/interrupt.h"
#include "base/log.h"

namespace stenod::app {

namespace {

/// Where a standard stream was closed, the next file to be opened would take its number, and messages would go there.
/// Opened the wrong way round, so that using it stays an error.
void occupy_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace

int run_program(int argc, const char* const* argv) try {
  occupy_standard_streams();
  init_log("info");
  const auto parsed = parse_command_line(argc, argv);
  if (const auto* usage = std::get_if<UsageExit>(&parsed)) {
    if (usage->status != kSuccess) {
      fmt::print(stderr, "{}", usage->text);
      return usage->status;
    }
    Console console(true);
    const Status written = console.write_result(usage->text);
    if (!written) console.error(written.error());
    return written ? kSuccess : kFailure;
  }
  const auto& line = std::get<CommandLine>(parsed);
  init_log(line.log_level, line.log_format);
  Interrupt interrupt;
  return std::visit([&](const auto& command) { return run(command, interrupt); }, line.command);
} catch (const std::exception& error) {
  // Only what nobody can foresee: memory or threads that the system does not give.
  fmt::print(stderr, "error: {}\n", error.what());
  return kFailure;
}

}  // namespace stenod::app
