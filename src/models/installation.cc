#include "models/installation.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "models/folder_lock.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

/// What a file takes on the disk: less than its size if it has holes.
std::uint64_t disk_usage(const fs::path& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_blocks) * 512
                                                                   : 0;
}

}  // namespace

Installation::Installation(const fs::path& folder, std::string name)
    : name_(std::move(name)), target_(folder / name_), incoming_(incoming_folder(folder) / name_) {}

Status Installation::begin() const {
  std::error_code error;
  fs::create_directories(incoming_, error);
  if (error) return file_error("cannot create", incoming_, error.value());
  return {};
}

Status Installation::check_space(std::uint64_t bytes) const {
  std::error_code error;
  const auto space = fs::space(incoming_, error);
  std::uint64_t there = 0;
  for (fs::directory_iterator file(incoming_, error), end; !error && file != end; file.increment(error)) {
    there += disk_usage(file->path());
  }
  const std::uint64_t missing = bytes > there ? bytes - there : 0;
  if (error || space.available >= missing) return {};  // not known: writing will tell
  return Error{ErrorCode::kDiskFull,
               fmt::format("{}: {} needs {} MB more, {} MB are free", incoming_.string(), name_, missing / 1000000 + 1,
                           space.available / 1000000),
               incoming_.string()};
}

bool Installation::reuse(const std::string& file, std::uint64_t size, const Checksum& checksum) const {
  if (checksum.hex.empty() || !is_complete(target_ / file, size, checksum)) return false;
  std::error_code error;
  fs::remove(incoming_ / file, error);
  fs::create_hard_link(target_ / file, incoming_ / file, error);
  return !error;
}

Status Installation::finish(const std::vector<std::string>& files) const {
  std::error_code error;
  std::vector<fs::path> extra;
  for (fs::directory_iterator found(incoming_, error), end; !error && found != end; found.increment(error)) {
    if (std::find(files.begin(), files.end(), found->path().filename()) == files.end()) extra.push_back(found->path());
  }
  for (const auto& path : extra) fs::remove_all(path, error);
  const fs::path old = incoming_.string() + "~old";  // no model's name
  fs::remove_all(old, error);
  fs::rename(target_, old, error);  // fails where there is none
  const bool has_old = !error;
  fs::rename(incoming_, target_, error);
  if (error) {
    const int error_number = error.value();
    if (has_old) fs::rename(old, target_, error);
    return file_error("cannot move to its place", incoming_, error_number);
  }
  fs::remove_all(old, error);
  return {};
}

}  // namespace stenod::models
