#include "access/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "access/credentials.h"
#include "access/failure_limiter.h"
#include "access/key_store.h"
#include "base/crypto.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/sha256.h"

namespace stenod::access {
namespace {

constexpr int kMaxTokenStreams = 1000000;
constexpr std::chrono::seconds kStreamRetry{10};  // a guess: nobody knows when a stream ends
constexpr auto kComplainEvery = std::chrono::minutes(1);

/// What limits by client address are counted by; one for all whose address is unknown.
IpAddress subscriber_of(std::string_view client_address) {
  return IpAddress::parse(client_address).value_or(IpAddress()).subscriber();
}

Error unauthorized(std::string message) { return {ErrorCode::kUnauthorized, std::move(message)}; }

Error quota_exceeded(const KeyRecord& key, std::chrono::system_clock::time_point now) {
  const auto midnight = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1);
  return {ErrorCode::kQuotaExceeded,
          fmt::format("the key may use {} minutes of audio a day, and they don't suffice; a new day begins at 0:00 UTC",
                      key.limits.audio_minutes_per_day),
          "", std::chrono::ceil<std::chrono::seconds>(midnight - now)};
}

Error too_many_streams(std::string_view who, int limit) {
  return {ErrorCode::kTooManyStreams, fmt::format("{} may have {} streams open at once, and has", who, limit), "",
          kStreamRetry};
}

}  // namespace

class Access::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        clock_(options_.clock ? options_.clock : [] { return std::chrono::system_clock::now(); }),
        failures_(std::random_device()()) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    closed_.notify_all();
    if (thread_.joinable()) thread_.join();
    (void)synchronise();
  }

  Status start() {
    STENOD_RETURN_IF_ERROR(synchronise());
    thread_ = std::thread([this] { run(); });
    return {};
  }

  bool keys_in_use() const {
    const std::lock_guard lock(mutex_);
    return keys_in_use_;
  }

  Result<Principal> authenticate(std::string_view credential, std::string_view client_address) {
    const auto now = clock_();
    const IpAddress client = subscriber_of(client_address);
    const std::string digest = sha256_hex(std::as_bytes(std::span(credential)));
    std::unique_lock lock(mutex_);
    if (!keys_in_use_) return Principal{.is_admin = options_.anybody_is_admin};
    if (credential.empty()) {
      return unauthorized(
          "a key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY', or from a "
          "browser's WebSocket as the subprotocols 'stenod, key.KEY'");
    }
    auto principal = identify(credential, digest, now);
    if (principal) return principal;
    const auto wait = failures_.fail(client, now);
    lock.unlock();
    if (!wait) {
      log_event(log::level::warn, "access_denied",
                {{"client", client.to_string()}, {"reason", principal.error().message}});
      return principal;
    }
    return Error{
        ErrorCode::kTooManyFailures,
        fmt::format("too many wrong keys came from {}; check the key, and try again later", client.to_string()), "",
        *wait};
  }

  Status check_stream(const Principal& principal, const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    const auto key = admit(principal, client);
    return key ? Status() : Status(key.error());
  }

  Status open_stream(const Principal& principal, const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    STENOD_ASSIGN_OR_RETURN(Key* const key, admit(principal, client));
    if (key != nullptr) {
      ++key->open_streams;
      if (!principal.token_id.empty()) ++streams_by_token_[principal.token_id];
    }
    ++streams_by_client_[client];
    return {};
  }

  void close_stream(const Principal& principal, const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    decrement(streams_by_client_, client);
    if (!principal.token_id.empty()) decrement(streams_by_token_, principal.token_id);
    if (const auto key = keys_.find(principal.key_id); key != keys_.end()) --key->second.open_streams;
  }

  Status add_audio(const Principal& principal, double seconds) {
    if (!(seconds >= 0 && std::isfinite(seconds))) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{} seconds of audio", seconds)};
    }
    if (principal.key_id.empty()) return {};
    const auto now = clock_();
    const std::lock_guard lock(mutex_);
    const auto key = find_valid(principal.key_id, now);
    if (!key) return key.error();
    begin_day(**key, now);
    (*key)->used_s += seconds;
    pending_[{principal.key_id, (*key)->day}] += seconds;
    return (*key)->used_s <= quota_of(**key) ? Status() : Status(quota_exceeded((*key)->record, now));
  }

  Status check_audio(const Principal& principal) {
    const auto now = clock_();
    const std::lock_guard lock(mutex_);
    STENOD_ASSIGN_OR_RETURN(Key* const key, find_valid(principal.key_id, now));
    return key == nullptr ? Status() : check_minutes_left(*key, now);
  }

  Result<Token> mint_token(const Principal& principal, const TokenRequest& request) {
    if (principal.key_id.empty()) {
      return Error{ErrorCode::kForbidden, "tokens stand for a key, and no key was sent"};
    }
    if (!principal.token_id.empty())
      return Error{ErrorCode::kForbidden, "a token can't mint others; send the key itself"};
    const std::chrono::seconds ttl = request.ttl.value_or(options_.token_ttl);
    if (ttl.count() < 1 || ttl > options_.max_token_ttl) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("a token may last 1 to {} s, not {} s", options_.max_token_ttl.count(), ttl.count()),
                   "ttl_s"};
    }
    if (request.streams < 0 || request.streams > kMaxTokenStreams) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{} streams, expected 0 to {}", request.streams, kMaxTokenStreams), "streams"};
    }
    TokenClaims claims{principal.key_id, "", {}, request.streams};
    STENOD_ASSIGN_OR_RETURN(claims.token_id, random_id());
    const auto now = clock_();
    const std::lock_guard lock(mutex_);
    const auto key = find_valid(principal.key_id, now);
    if (!key) return key.error();
    claims.expires_at = std::chrono::floor<std::chrono::seconds>(now) + ttl;
    if ((*key)->record.expires_at) claims.expires_at = std::min(claims.expires_at, *(*key)->record.expires_at);
    return Token{sign_token(claims, secret_), claims.expires_at};
  }

 private:
  struct Key {
    KeyRecord record;
    int open_streams = 0;
    std::int64_t day = 0;
    double used_s = 0;  ///< on that day, including what is not written down yet
  };

  template <typename Map, typename Id>
  static int count(const Map& map, const Id& id) {
    const auto found = map.find(id);
    return found == map.end() ? 0 : found->second;
  }
  template <typename Map, typename Id>
  static void decrement(Map& map, const Id& id) {
    const auto found = map.find(id);
    if (found != map.end() && --found->second == 0) map.erase(found);
  }

  // With mutex_ held:

  Result<Principal> identify(std::string_view credential, std::string_view digest,
                             std::chrono::system_clock::time_point now) {
    const auto claims = verify_token(credential, secret_);
    const auto id = claims ? std::string_view(claims->key_id) : key_id_of(credential).value_or("");
    const auto found = keys_.find(std::string(id));
    if (found == keys_.end() || (!claims && !constant_time_equal(digest, found->second.record.digest))) {
      return unauthorized("the key or token is wrong");
    }
    const KeyRecord& key = found->second.record;
    STENOD_RETURN_IF_ERROR(check_valid(key, now));
    if (claims && now >= claims->expires_at) return unauthorized("the token has expired; ask for a new one");
    if (claims) return Principal{key.id, key.name, false, key.limits, claims->token_id, claims->streams};
    return Principal{key.id, key.name, key.is_admin, key.limits, {}, 0};
  }

  static Status check_valid(const KeyRecord& key, std::chrono::system_clock::time_point now) {
    if (key.is_valid(std::chrono::floor<std::chrono::seconds>(now))) return {};
    return unauthorized(key.revoked_at ? "the key was revoked" : "the key has expired");
  }

  /// Null where keys are not in use.
  Result<Key*> find_valid(const std::string& id, std::chrono::system_clock::time_point now) {
    if (id.empty()) {
      if (keys_in_use_) return unauthorized("a key is needed: since the request came, one was created");
      return nullptr;
    }
    const auto found = keys_.find(id);
    if (found == keys_.end()) return unauthorized("the key is not there any more");
    STENOD_RETURN_IF_ERROR(check_valid(found->second.record, now));
    return &found->second;
  }

  /// Whether there is a place for one more stream; its key as find_valid() does.
  Result<Key*> admit(const Principal& principal, const IpAddress& client) {
    const auto now = clock_();
    STENOD_ASSIGN_OR_RETURN(Key* const key, find_valid(principal.key_id, now));
    const int limit = options_.max_streams_per_client;
    if (limit > 0 && count(streams_by_client_, client) >= limit) return too_many_streams("one client address", limit);
    if (key == nullptr) return key;
    const int key_limit = key->record.limits.streams;
    if (key_limit > 0 && key->open_streams >= key_limit) return too_many_streams("this key", key_limit);
    if (principal.token_streams > 0 && count(streams_by_token_, principal.token_id) >= principal.token_streams) {
      return too_many_streams("this token", principal.token_streams);
    }
    STENOD_RETURN_IF_ERROR(check_minutes_left(*key, now));
    return key;
  }

  /// Seconds of audio a day; infinity where there is no limit.
  static double quota_of(const Key& key) {
    const double minutes = key.record.limits.audio_minutes_per_day;
    return minutes > 0 ? minutes * 60 : std::numeric_limits<double>::infinity();
  }

  static Status check_minutes_left(Key& key, std::chrono::system_clock::time_point now) {
    begin_day(key, now);
    return key.used_s < quota_of(key) ? Status() : Status(quota_exceeded(key.record, now));
  }

  static void begin_day(Key& key, std::chrono::system_clock::time_point now) {
    // When a clock was put back over midnight, synchronise() finds out what the earlier day has used.
    if (const std::int64_t today = day_of(now); today > key.day) {
      key.day = today;
      key.used_s = 0;
    }
  }

  // On the thread, or while there is none:

  void run() {
    std::unique_lock lock(mutex_);
    while (!closed_.wait_for(lock, options_.refresh, [this] { return is_closed_; })) {
      lock.unlock();
      complain(synchronise());
      lock.lock();
    }
  }

  void complain(const Status& status) {
    const auto now = std::chrono::steady_clock::now();
    if (status || (last_complaint_ && now - *last_complaint_ < kComplainEvery)) return;
    last_complaint_ = now;
    log_event(log::level::err, "access_database_failed",
              {{"code", error_name(status.error().code)}, {"message", status.error().message}});
  }

  /// Writes usage down and reads what others have changed.
  Status synchronise() {
    const std::filesystem::path file = options_.folder / "access.db";
    if (store_ && store_->is_replaced()) store_.reset();
    if (!store_) {
      std::error_code error;
      if (!std::filesystem::exists(file, error) && !error) return {};  // no keys, or those that we know
      auto store = KeyStore::open(file);
      if (!store) {
        // Nobody may come in because the keys can't be read.
        const std::lock_guard lock(mutex_);
        keys_in_use_ = true;
        return std::move(store).error();
      }
      store_ = std::move(store).value();
    }
    const Result<bool> has_written = write_usage();
    STENOD_ASSIGN_OR_RETURN(const bool has_changed, store_->has_changed());
    const std::int64_t today = day_of(clock_());
    if (!has_written || *has_written || has_changed || today != day_read_) STENOD_RETURN_IF_ERROR(read_keys(today));
    return has_written ? Status() : Status(has_written.error());
  }

  Status read_keys(std::int64_t today) {
    STENOD_ASSIGN_OR_RETURN(auto records, store_->list());
    STENOD_ASSIGN_OR_RETURN(const auto usage, store_->usage(today));
    STENOD_ASSIGN_OR_RETURN(auto secret, store_->token_secret());
    day_read_ = today;
    const std::lock_guard lock(mutex_);
    secret_ = std::move(secret);
    adopt(std::move(records), usage, today);
    return {};
  }

  void adopt(std::vector<KeyRecord> records, const std::vector<Usage>& usage, std::int64_t today) {
    // For good: a database that someone puts in this one's place has no keys yet.
    keys_in_use_ = keys_in_use_ || !records.empty();
    std::unordered_map<std::string, Key> keys;
    for (KeyRecord& record : records) {
      const auto known = keys_.find(record.id);
      const int open_streams = known == keys_.end() ? 0 : known->second.open_streams;
      const auto pending = pending_.find({record.id, today});
      const double used_s = pending == pending_.end() ? 0 : pending->second;
      const std::string id = record.id;
      keys[id] = Key{std::move(record), open_streams, today, used_s};
    }
    for (const Usage& one : usage) {
      if (const auto key = keys.find(one.key_id); key != keys.end()) key->second.used_s += one.audio_s;
    }
    keys_ = std::move(keys);
  }

  /// Whether there was any. What can't be written is kept: one number for each key and day.
  Result<bool> write_usage() {
    std::map<std::pair<std::string, std::int64_t>, double> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(pending_);
    }
    if (taken.empty()) return false;
    std::vector<Usage> usage;
    usage.reserve(taken.size());
    for (const auto& [key_and_day, seconds] : taken) usage.push_back({key_and_day.first, key_and_day.second, seconds});
    const Status written = store_->add_usage(usage);
    if (written) return true;
    const std::lock_guard lock(mutex_);
    for (const auto& [key_and_day, seconds] : taken) pending_[key_and_day] += seconds;
    return written.error();
  }

  static Result<std::string> random_id() { return random_text(5); }

  const Options options_;
  const Clock clock_;

  mutable std::mutex mutex_;
  std::condition_variable closed_;
  bool is_closed_ = false;
  bool keys_in_use_ = false;
  std::string secret_;
  std::unordered_map<std::string, Key> keys_;                       ///< by id
  std::map<std::pair<std::string, std::int64_t>, double> pending_;  ///< seconds by key and day, not written yet
  std::map<IpAddress, int> streams_by_client_;                      ///< those that have any
  std::unordered_map<std::string, int> streams_by_token_;           ///< those that have any
  FailureLimiter failures_;

  // The thread's own:
  std::optional<KeyStore> store_;
  std::int64_t day_read_ = -1;
  std::optional<std::chrono::steady_clock::time_point> last_complaint_;
  std::thread thread_;
};

StreamLease::StreamLease(Access* access, Principal principal, const IpAddress& client)
    : access_(access), principal_(std::move(principal)), client_(client) {}

StreamLease::StreamLease(StreamLease&& other) noexcept
    : access_(std::exchange(other.access_, nullptr)), principal_(std::move(other.principal_)), client_(other.client_) {}

StreamLease& StreamLease::operator=(StreamLease&& other) noexcept {
  std::swap(access_, other.access_);
  std::swap(principal_, other.principal_);
  std::swap(client_, other.client_);
  return *this;
}

StreamLease::~StreamLease() {
  if (access_ != nullptr) access_->impl_->close_stream(principal_, client_);
}

Status StreamLease::add_audio(double seconds) {
  return access_ != nullptr ? access_->impl_->add_audio(principal_, seconds) : Status();
}

Access::Access(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Access::~Access() = default;

Result<std::unique_ptr<Access>> Access::open(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  STENOD_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<Access>(new Access(std::move(impl)));
}

bool Access::keys_in_use() const { return impl_->keys_in_use(); }

Result<Principal> Access::authenticate(std::string_view credential, std::string_view client_address) {
  return impl_->authenticate(credential, client_address);
}

Result<StreamLease> Access::open_stream(const Principal& principal, std::string_view client_address) {
  const IpAddress client = subscriber_of(client_address);
  STENOD_RETURN_IF_ERROR(impl_->open_stream(principal, client));
  return StreamLease(this, principal, client);
}

Status Access::check_stream(const Principal& principal, std::string_view client_address) {
  return impl_->check_stream(principal, subscriber_of(client_address));
}

Status Access::check_audio(const Principal& principal) { return impl_->check_audio(principal); }
Status Access::add_audio(const Principal& principal, double seconds) { return impl_->add_audio(principal, seconds); }

Result<Token> Access::mint_token(const Principal& principal, const TokenRequest& request) {
  return impl_->mint_token(principal, request);
}

}  // namespace stenod::access
