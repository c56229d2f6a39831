#include "base/paths.h"

#include <cstdlib>

namespace stenod {
namespace {

std::filesystem::path from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : "";
}

std::filesystem::path xdg(const char* variable, const char* below_home) {
  // The XDG specification says to ignore relative paths.
  if (auto path = from_environment(variable); path.is_absolute()) return path / "stenod";
  auto home = from_environment("HOME");
  return (home.empty() ? std::filesystem::path("/tmp") : home) / below_home / "stenod";
}

}  // namespace

std::filesystem::path data_dir() {
  if (auto path = from_environment("STENOD_DATA_DIR"); !path.empty()) return path;
  return xdg("XDG_DATA_HOME", ".local/share");
}

std::filesystem::path model_dir() {
  if (auto path = from_environment("STENOD_MODEL_DIR"); !path.empty()) return path;
  return xdg("XDG_DATA_HOME", ".local/share") / "models";
}

std::filesystem::path cache_dir() {
  if (auto path = from_environment("STENOD_CACHE_DIR"); !path.empty()) return path;
  return xdg("XDG_CACHE_HOME", ".cache");
}

std::filesystem::path config_dir() { return xdg("XDG_CONFIG_HOME", ".config"); }

}  // namespace stenod
