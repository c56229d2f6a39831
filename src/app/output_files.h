#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/format.h"

namespace stenod::app {

/// Where each input's result goes: `folder`/<name without extension>.<extension of the format>.
/// Error kInvalidArgument when two inputs would share a file.
Result<std::vector<std::filesystem::path>> plan_output_files(const std::filesystem::path& folder,
                                                             const std::vector<std::string>& inputs, text::Format format);

}  // namespace stenod::app
