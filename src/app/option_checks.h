#pragma once

#include <CLI/CLI.hpp>

namespace stenod::app {

// What the value of an option may be. Messages name what was typed and what is expected.

CLI::Validator whole_number(int min, int max);
CLI::Validator number(double min, double max);

}  // namespace stenod::app
