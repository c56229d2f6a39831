#include "models/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"

namespace stenod::models {

std::filesystem::path incoming_folder(const std::filesystem::path& folder) { return folder / ".incoming"; }

Status check_model_dir(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored) || std::filesystem::is_directory(folder, ignored)) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{}: no folder; STENOD_MODEL_DIR must name the folder in which models lie", folder.string()),
               "STENOD_MODEL_DIR"};
}

Status check_model_name(const std::string& name) {
  const auto is_alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto allowed = [&](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; };
  if (!name.empty() && name.size() <= 200 && is_alnum(name[0]) && std::all_of(name.begin(), name.end(), allowed)) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no model's name: expected letters, digits, '.', '-' and '_'", name), "model"};
}

Result<FolderLock> FolderLock::acquire(const std::filesystem::path& folder, const std::string& name) {
  STENOD_RETURN_IF_ERROR(check_model_dir(folder));
  const auto incoming = incoming_folder(folder);
  std::error_code error;
  std::filesystem::create_directories(incoming, error);
  if (error) return file_error("cannot create", incoming, error.value());
  // No model can have that name. The lock file stays: removing it would let two processes hold locks on two files of
  // one name.
  const auto path = incoming / (name + "~lock");
  FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.fd_ < 0) return file_error("cannot create", path, errno);
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("cannot lock", path, errno);
    return Error{ErrorCode::kModelBusy,
                 fmt::format("the model {} is being changed by another process; call again when that is done", name),
                 name};
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace stenod::models
