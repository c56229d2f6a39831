#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace stenod {

/// Messages to people go to stderr, results to stdout. Call once at start. `level`: trace|debug|info|warn|error|off;
/// errors are shown with each of them.
void init_log(std::string_view level);

namespace log = spdlog;

}  // namespace stenod
