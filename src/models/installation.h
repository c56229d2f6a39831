#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/checksum.h"

namespace stenod::models {

/// A model that is put together in `folder`/.incoming and appears in `folder` when it is complete. The caller holds the
/// model's FolderLock.
class Installation {
 public:
  Installation(const std::filesystem::path& folder, std::string name);

  const std::string& name() const { return name_; }
  const std::filesystem::path& target() const { return target_; }
  const std::filesystem::path& incoming() const { return incoming_; }

  /// Creates incoming(). Errors: those of writing.
  Status begin() const;

  /// kDiskFull if `bytes`, less what is in incoming() already, don't fit on its disk.
  Status check_space(std::uint64_t bytes) const;

  /// Takes a file over from target(), if it is there as it should be, and says whether it did.
  bool reuse(const std::string& file, std::uint64_t size, const Checksum& checksum) const;

  /// Leaves just `files` in incoming() and puts it in target()'s place. Errors: those of writing.
  Status finish(const std::vector<std::string>& files) const;

 private:
  const std::string name_;
  const std::filesystem::path target_, incoming_;
};

}  // namespace stenod::models
