#pragma once

#include <filesystem>

namespace stenod {

/// Where models, caches and data lie: the variable of that name, else XDG's folder, else the one below $HOME.
/// The folders need not exist.
std::filesystem::path model_dir();   ///< STENOD_MODEL_DIR, else $XDG_DATA_HOME/stenod/models
std::filesystem::path cache_dir();   ///< STENOD_CACHE_DIR, else $XDG_CACHE_HOME/stenod
std::filesystem::path config_dir();  ///< $XDG_CONFIG_HOME/stenod
std::filesystem::path data_dir();    ///< STENOD_DATA_DIR, else $XDG_DATA_HOME/stenod

}  // namespace stenod
