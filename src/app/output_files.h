#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/format.h"

namespace stenod::app {

/// Where each input's result goes, a file for each format: `folder`/<name without extension>.<extension of the format>.
/// Error kInvalidArgument when two inputs would share a file, or a result would replace an input, also one that is
/// reached through a link.
Result<std::vector<std::vector<std::filesystem::path>>> plan_output_files(const std::filesystem::path& folder,
                                                                          const std::vector<std::string>& inputs,
                                                                          std::span<const text::Format> formats);

/// Before an hour of work whose result would be lost, or would replace what it is about: each output, where it is not
/// empty, lies in a folder that is there, and is no folder, no input and no other output. Errors: kInvalidArgument,
/// kNotFound (its folder).
Status check_output_files(std::span<const std::filesystem::path> outputs,
                          std::span<const std::filesystem::path> inputs);

/// Makes the folder if it is not there, and makes sure that files can be created in it.
Status prepare_output_folder(const std::filesystem::path& folder);

}  // namespace stenod::app
