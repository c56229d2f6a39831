#pragma once

namespace stenod::app {

/// The whole program: parses the command line, runs the command, returns the exit status. Once a process.
int run_program(int argc, const char* const* argv);

}  // namespace stenod::app
