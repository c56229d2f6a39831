#include "app/output_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"

namespace stenod::app {
namespace {

/// What tells whether two paths lead to one file: device and inode. Nothing where there is no file.
std::optional<std::pair<dev_t, ino_t>> identity(const std::filesystem::path& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return std::pair(info.st_dev, info.st_ino);
}

}  // namespace

Result<std::vector<std::vector<std::filesystem::path>>> plan_output_files(const std::filesystem::path& folder,
                                                                          const std::vector<std::string>& inputs,
                                                                          std::span<const text::Format> formats) {
  std::vector<std::vector<std::filesystem::path>> outputs(inputs.size());
  std::map<std::filesystem::path, std::size_t> owners;
  std::map<std::pair<dev_t, ino_t>, std::string> input_names;
  for (const std::string& input : inputs) {
    if (const auto found = identity(input)) input_names.emplace(*found, input);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (const text::Format format : formats) {
      std::filesystem::path name = std::filesystem::path(inputs[i]).stem();
      name += fmt::format(".{}", text::file_extension(format));
      const std::filesystem::path output = folder / name;
      const auto [owner, is_new] = owners.emplace(output, i);
      if (!is_new) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{} and {} would both be written to {}; transcribe them in two calls with different "
                                 "output folders",
                                 inputs[owner->second], inputs[i], output.string()),
                     "output_dir"};
      }
      const auto there = identity(output);
      if (const auto input = there ? input_names.find(*there) : input_names.end(); input != input_names.end()) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("the text of {} would be written to {}, which is the input {}; choose another output "
                                 "folder",
                                 inputs[i], output.string(), input->second),
                     "output_dir"};
      }
      outputs[i].push_back(output);
    }
  }
  return outputs;
}

Status prepare_output_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return file_error("cannot create the folder", folder, error.value());
  std::string probe = folder / "stenod.XXXXXX";
  const int fd = ::mkstemp(probe.data());
  if (fd < 0) return file_error("cannot write to the folder", folder, errno);
  ::close(fd);
  ::unlink(probe.c_str());
  return {};
}

}  // namespace stenod::app
