#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/credentials.h"
#include "access/principal.h"
#include "base/result.h"

namespace stenod::access {

/// Days since 1970-01-01, UTC.
std::int64_t day_of(std::chrono::system_clock::time_point time);

/// A key as it is stored: its text is known only to whoever created it.
struct KeyRecord {
  std::string id;  ///< 8 characters, also part of the text
  std::string name;
  std::string digest;  ///< SHA-256 of the text, 64 hexadecimal digits
  bool is_admin = false;
  Limits limits;
  TimePoint created_at = {};
  std::optional<TimePoint> expires_at = {};
  std::optional<TimePoint> revoked_at = {};

  bool is_valid(TimePoint now) const { return !revoked_at && (!expires_at || now < *expires_at); }
};

struct NewKey {
  std::string name;
  bool is_admin = false;
  Limits limits = {};
  std::optional<TimePoint> expires_at = {};
};

struct CreatedKey {
  std::string id;
  std::string text;  ///< "sk_" id "_" 32 characters of base 32 (160 random bits); can't be had again
};

/// Audio that a key has used on a day.
struct Usage {
  std::string key_id;
  std::int64_t day = 0;  ///< as day_of() counts
  double audio_s = 0;
};

/// The keys, the secret that signs tokens, and usage, in an SQLite database (access.db) that the server and `stenod
/// key` have open at the same time. Blocks on the disk, for at most 5 s when another process is writing. Used by one
/// thread at a time.
///
/// Only SHA-256 digests of keys are stored. A slow password hash would add nothing: a key is 160 random bits, which
/// nobody finds by trying, however fast.
///
/// The schema stands in key_store.cc; `PRAGMA user_version` is its version.
class KeyStore {
 public:
  /// Errors, here and below: kNotFound, kPermissionDenied, kIoError, kDiskFull, kAccessDatabaseDamaged, kNotSupported
  /// (written by a later version).
  static Result<KeyStore> open(const std::filesystem::path& file);
  /// Creates the file, for its owner alone (0600), and its folder where they are not there.
  static Result<KeyStore> open_or_create(const std::filesystem::path& file);
  KeyStore(KeyStore&&) noexcept;
  KeyStore& operator=(KeyStore&&) noexcept;
  ~KeyStore();

  /// Errors: kInvalidArgument (a name that is empty, too long or no plain text, limits below 0, an end in the past).
  Result<CreatedKey> create(const NewKey& key, TimePoint now);
  /// In the order of creation, revoked ones included.
  Result<std::vector<KeyRecord>> list();
  /// Error kNotFound for an unknown id; revoking again changes nothing.
  Status revoke(std::string_view id, TimePoint now);

  /// Whether another process may have changed something since the last call, or put another file in this one's place:
  /// then the store has to be opened again.
  Result<bool> has_changed();
  bool is_replaced() const;
  /// What signs tokens; as old as the file.
  Result<std::string> token_secret();

  /// Adds to what is stored, and forgets days long past.
  Status add_usage(std::span<const Usage> usage);
  /// Of all keys on that day.
  Result<std::vector<Usage>> usage(std::int64_t day);

 private:
  class Impl;
  explicit KeyStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::access
