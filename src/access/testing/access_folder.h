#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "access/key_store.h"

namespace stenod::access {

/// A data folder of its own, and the keys in it.
class AccessFolder {
 public:
  AccessFolder() {
    std::string name = std::filesystem::temp_directory_path() / "stenod_access_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~AccessFolder() {
    ::chmod(path_.c_str(), 0700);
    std::filesystem::remove_all(path_);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "access.db"; }

  /// As `stenod key create` does it.
  CreatedKey create_key(const NewKey& key, TimePoint now) const {
    auto store = KeyStore::open_or_create(database());
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
    auto created = store->create(key, now);
    EXPECT_TRUE(created.ok()) << (created.ok() ? "" : created.error().message);
    return created.ok() ? *created : CreatedKey();
  }

 private:
  std::filesystem::path path_;
};

/// For as long as it lives the process has no more rights than anybody; root's would not notice a read-only folder.
class WithoutRights {
 public:
  WithoutRights() : user_(::geteuid()) { EXPECT_EQ(user_ == 0 ? ::seteuid(kNobody) : 0, 0); }
  ~WithoutRights() { EXPECT_EQ(user_ == 0 ? ::seteuid(user_) : 0, 0); }

 private:
  static constexpr uid_t kNobody = 65534;
  const uid_t user_;
};

}  // namespace stenod::access
