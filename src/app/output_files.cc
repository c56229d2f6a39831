#include "app/output_files.h"

#include <fmt/format.h>

#include <cstddef>
#include <map>

namespace stenod::app {

Result<std::vector<std::filesystem::path>> plan_output_files(const std::filesystem::path& folder,
                                                             const std::vector<std::string>& inputs,
                                                             text::Format format) {
  std::vector<std::filesystem::path> outputs;
  std::map<std::filesystem::path, std::size_t> owners;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::filesystem::path name = std::filesystem::path(inputs[i]).stem();
    name += fmt::format(".{}", text::file_extension(format));
    outputs.push_back(folder / name);
    const auto [owner, is_new] = owners.emplace(outputs.back(), i);
    if (!is_new) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{} and {} would both be written to {}; transcribe them in two calls with different output "
                               "folders",
                               inputs[owner->second], inputs[i], outputs.back().string()),
                   "output_dir"};
    }
  }
  return outputs;
}

}  // namespace stenod::app
