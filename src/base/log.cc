#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <algorithm>
#include <memory>
#include <string>

namespace stenod {

void init_log(std::string_view level) {
  auto logger = std::make_shared<spdlog::logger>("stenod", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  // Why a command failed is always said.
  logger->set_level(std::min(spdlog::level::from_str(std::string(level)), spdlog::level::err));
  logger->set_pattern("%^%l%$: %v");
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace stenod
