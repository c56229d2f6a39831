#include "app/input_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace stenod::app {

Status check_input(const std::string& file) {
  const auto refuse = [&](const char* why) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", file.empty() ? "''" : file, why), file};
  };
  struct stat info = {};
  const bool exists = ::stat(file.c_str(), &info) == 0;
  if (file.empty()) return refuse("an empty name, expected that of an audio or video file");
  if (file == "-") return refuse("standard input can't be read; save it as a file and give that");
  if (exists && S_ISDIR(info.st_mode)) return refuse("is a folder; give the files in it");
  if (exists && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))) {
    return refuse("is a pipe, which can't be read; save it as a file and give that");
  }
  if (!exists && file.find("://") != file.npos) return refuse("is an address; download it and give the file");
  return {};
}

}  // namespace stenod::app
