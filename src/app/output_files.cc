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

Status check_output_files(std::span<const std::filesystem::path> outputs,
                          std::span<const std::filesystem::path> inputs) {
  const auto invalid = [](std::string message) {
    return Error{ErrorCode::kInvalidArgument, std::move(message), "output"};
  };
  std::map<std::pair<dev_t, ino_t>, std::filesystem::path> input_names;
  for (const auto& input : inputs) {
    if (const auto found = identity(input)) input_names.emplace(*found, input);
  }
  std::map<std::filesystem::path, std::size_t> owners;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::filesystem::path& output = outputs[i];
    if (output.empty()) continue;
    const std::filesystem::path folder = output.has_parent_path() ? output.parent_path() : ".";
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) {
      return Error{ErrorCode::kNotFound, fmt::format("{}: there is no folder {}", output.string(), folder.string()),
                   "output"};
    }
    if (std::filesystem::is_directory(output, ignored)) {
      return invalid(fmt::format("{} is a folder; name a file in it", output.string()));
    }
    const auto there = identity(output);
    if (const auto input = there ? input_names.find(*there) : input_names.end(); input != input_names.end()) {
      return invalid(
          fmt::format("{} would replace the input {}; choose another name", output.string(), input->second.string()));
    }
    const auto [owner, is_new] = owners.emplace(std::filesystem::weakly_canonical(output, ignored), i);
    if (!is_new) return invalid(fmt::format("two results would be written to {}", output.string()));
  }
  return {};
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
