#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "access/principal.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace stenod::access {

using Clock = std::function<std::chrono::system_clock::time_point()>;

struct Options {
  std::filesystem::path folder;         ///< where access.db lies, or will once a key is created
  int max_streams_per_client = 0;       ///< open at once from one client address; 0: no limit
  std::chrono::seconds token_ttl{600};  ///< where a request doesn't say
  std::chrono::seconds max_token_ttl{3600};
  bool anybody_is_admin = false;            ///< where keys are not in use; right only for servers of one machine
  std::chrono::milliseconds refresh{1000};  ///< how often changed keys are looked for and usage is written down
  Clock clock = {};                         ///< empty: the system's
};

struct TokenRequest {
  std::optional<std::chrono::seconds> ttl = {};
  int streams = 0;  ///< open at once with this token; 0: as many as the key may
};

struct Token {
  std::string text;
  std::chrono::sys_seconds expires_at = {};
};

class Access;

/// A place for one live stream; given back on destruction. Used by one thread at a time. Access must outlive it.
class StreamLease {
 public:
  StreamLease() = default;  ///< holds no place
  StreamLease(StreamLease&& other) noexcept;
  StreamLease& operator=(StreamLease&& other) noexcept;
  ~StreamLease();

  /// Counts received audio, as Access::add_audio() does; an error means that the session has to conclude. Cheap: no
  /// disk. Errors: kQuotaExceeded, kUnauthorized (the key was revoked or has expired meanwhile).
  Status add_audio(double seconds);

 private:
  friend class Access;
  StreamLease(Access* access, Principal principal, const IpAddress& client);
  Access* access_ = nullptr;
  Principal principal_;
  IpAddress client_;
};

/// Decides who may do what: keys, tokens, and the limits of both.
///
/// Keys come from access.db in `Options::folder`, which `stenod key` writes. A thread of this class looks for changes
/// and writes usage down; nothing else here waits for a disk. While there is no access.db, keys are not in use and
/// everybody may do everything. Once a key was created they are in use for good: revoking the last one opens nothing. A
/// database that can't be read any more leaves the keys as they were.
///
/// All functions may be called by any thread.
class Access {
 public:
  /// Errors: those of KeyStore::open(), but for a database that is not there.
  static Result<std::unique_ptr<Access>> open(Options options);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  bool keys_in_use() const;

  /// `credential`: the text of a key or token; empty: none was sent. `client_address`: numeric; who sends wrong
  /// credentials again and again is told to wait, while right ones are always taken, so that nobody locks others out
  /// who share an address. Errors: kUnauthorized, kTooManyFailures.
  Result<Principal> authenticate(std::string_view credential, std::string_view client_address);

  /// Errors: kTooManyStreams (of the key, the token or the client address), kQuotaExceeded (the day's minutes are used
  /// up), kUnauthorized (the key was revoked meanwhile); with retry_after where waiting helps.
  Result<StreamLease> open_stream(const Principal& principal, std::string_view client_address);
  /// What open_stream() would say now; takes no place.
  Status check_stream(const Principal& principal, std::string_view client_address);

  /// Whether minutes are left for a file; counts nothing. Errors as StreamLease::add_audio().
  Status check_audio(const Principal& principal);
  /// Counts received audio, then says whether the day's minutes sufficed: what was too much counts all the same, so
  /// that nobody gets a little more again and again. Errors as StreamLease::add_audio().
  Status add_audio(const Principal& principal, double seconds);

  /// A short-lived credential with the key's rights, though never an admin's, for a client that must not learn the key.
  /// Its limits are the key's: all tokens of a key share them. Errors: kForbidden (a token can't mint others, nor can
  /// anybody where keys are not in use), kInvalidArgument (ttl, streams), kUnauthorized.
  Result<Token> mint_token(const Principal& principal, const TokenRequest& request);

 private:
  friend class StreamLease;
  class Impl;
  explicit Access(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::access
