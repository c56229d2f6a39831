#pragma once

#include <string>

namespace stenod::compute {

// Of the libraries in use, for people who report what they see.
std::string onednn_version();   ///< of the library that was loaded
std::string highway_version();  ///< of the headers that were compiled

}  // namespace stenod::compute
