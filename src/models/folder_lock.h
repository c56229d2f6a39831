#pragma once

#include <filesystem>

#include "base/result.h"

namespace stenod::models {

/// Held by whoever changes one model of a model folder; other processes see kModelBusy and are told to
/// wait. Movable.
class FolderLock {
 public:
  /// Creates `folder`/.incoming/`name`.lock. Doesn't wait. Errors: kModelBusy, kPermissionDenied, ….
  static Result<FolderLock> acquire(const std::filesystem::path& folder, const std::string& name);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Error kInvalidArgument when something else than a folder stands where models should lie; the folder may be absent.
Status check_model_dir(const std::filesystem::path& folder);

/// Where a model is put together before it appears in `folder`.
std::filesystem::path incoming_folder(const std::filesystem::path& folder);

/// Names are letters, digits, '.', '-' and '_', at most 200, the first one a letter or digit: a name can't leave the
/// folder. Error: kInvalidArgument.
Status check_model_name(const std::string& name);

}  // namespace stenod::models
