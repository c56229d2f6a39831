#pragma once

#include <string>

#include "base/result.h"

namespace stenod::app {

/// Refuses inputs of which is clear without opening them that they are no recordings, and says what to do instead: an
/// empty name, standard input and pipes, folders, addresses of the web. Error: kInvalidArgument.
Status check_input(const std::string& file);

}  // namespace stenod::app
