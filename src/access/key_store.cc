#include "access/key_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"

namespace stenod::access {
namespace {

constexpr int kBusyTimeoutMs = 5000;
constexpr std::int64_t kDaysKept = 62;
constexpr std::size_t kMaxNameBytes = 200;
constexpr std::size_t kTokenSecretBytes = 32;
constexpr int kMaxStreams = 1000000;
constexpr double kMaxMinutes = 1e9;

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x5374656E;  // "Sten"
constexpr const char* kSchema = R"(
  PRAGMA application_id = 0x5374656E;
  CREATE TABLE keys (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,             -- SHA-256 of the key's text, hexadecimal
    is_admin INTEGER NOT NULL,
    streams INTEGER NOT NULL,         -- 0: no limit
    minutes_per_day REAL NOT NULL,    -- 0: no limit
    created_at INTEGER NOT NULL,      -- Unix time, as all below
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
  CREATE TABLE usage (
    key_id TEXT NOT NULL,
    day INTEGER NOT NULL,             -- since 1970-01-01, UTC
    audio_s REAL NOT NULL,
    PRIMARY KEY (key_id, day)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  PRAGMA user_version = 1;
)";

Error database_error(const std::filesystem::path& file, sqlite3* database, int code) {
  const std::string what = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  const auto error = [&](ErrorCode error_code, std::string_view advice) {
    return Error{error_code, fmt::format("{}: {}{}", file.string(), what, advice), file.string()};
  };
  switch (code & 0xFF) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR:  // our statements are right, so tables or columns are missing
      return error(ErrorCode::kAccessDatabaseDamaged,
                   "; put a backup in its place, or move it away and create the keys anew");
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return error(ErrorCode::kPermissionDenied, "; the file and its folder must be writable for this user");
    case SQLITE_FULL:
      return error(ErrorCode::kDiskFull, "");
    default:
      return error(ErrorCode::kIoError, "");
  }
}

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

std::int64_t unix_time(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint from_unix_time(std::int64_t time) { return TimePoint(std::chrono::seconds(time)); }

Error wrong(std::string message, std::string param) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(param)};
}

Status check(const NewKey& key, TimePoint now) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (key.name.empty() || key.name.size() > kMaxNameBytes ||
      std::any_of(key.name.begin(), key.name.end(), is_control)) {
    return wrong(fmt::format("a key's name has 1 to {} bytes, without control characters", kMaxNameBytes), "name");
  }
  if (key.limits.streams < 0 || key.limits.streams > kMaxStreams) {
    return wrong(fmt::format("{} streams, expected 0 to {}", key.limits.streams, kMaxStreams), "streams");
  }
  const double minutes = key.limits.audio_minutes_per_day;
  if (!(minutes >= 0 && minutes <= kMaxMinutes)) {
    return wrong(fmt::format("{} minutes a day, expected 0 to {}", minutes, kMaxMinutes), "minutes_per_day");
  }
  if (key.expires_at && *key.expires_at <= now) return wrong("the key would have expired already", "expires_at");
  return {};
}

}  // namespace

std::int64_t day_of(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

class KeyStore::Impl {
 public:
  /// A prepared statement with its values. Whatever fails is reported by next().
  class Statement {
   public:
    Statement(Impl& store, std::string_view sql) : store_(store) {
      sqlite3_stmt* statement = nullptr;
      status_ =
          sqlite3_prepare_v2(store.database_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
      statement_.reset(statement);
    }

    template <typename... Values>
    Statement& bind(const Values&... values) {
      int index = 0;
      (bind_one(++index, values), ...);
      return *this;
    }
    /// Whether there is a row.
    Result<bool> next() {
      if (status_ == SQLITE_OK) {
        const int status = sqlite3_step(statement_.get());
        if (status == SQLITE_ROW || status == SQLITE_DONE) return status == SQLITE_ROW;
        status_ = status;
      }
      return database_error(store_.file_, store_.database_.get(), status_);
    }
    /// For statements without rows that matter; they can be bound and run again.
    Status run() {
      STENOD_ASSIGN_OR_RETURN(bool has_row, next());
      while (has_row) {
        STENOD_ASSIGN_OR_RETURN(has_row, next());
      }
      sqlite3_reset(statement_.get());
      return {};
    }

    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
    double number(int column) const { return sqlite3_column_double(statement_.get(), column); }
    std::string text(int column) const {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
      return text == nullptr
                 ? ""
                 : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
    }
    std::optional<TimePoint> time(int column) const {
      if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
      return from_unix_time(integer(column));
    }

   private:
    void bind_one(int index, std::string_view text) {
      note(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }
    void bind_one(int index, std::int64_t number) { note(sqlite3_bind_int64(statement_.get(), index, number)); }
    void bind_one(int index, double number) { note(sqlite3_bind_double(statement_.get(), index, number)); }
    void bind_one(int index, const std::optional<TimePoint>& time) {
      if (time) bind_one(index, unix_time(*time));  // else it stays NULL
    }
    void note(int status) {
      if (status_ == SQLITE_OK) status_ = status;
    }

    Impl& store_;
    std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
    int status_ = SQLITE_OK;
  };

  static Result<std::unique_ptr<Impl>> open(const std::filesystem::path& file, std::string_view journal_mode) {
    auto store = std::make_unique<Impl>();
    store->file_ = file;
    struct stat info = {};
    if (::stat(file.c_str(), &info) != 0) return file_error("cannot open", file, errno);
    if (!S_ISREG(info.st_mode)) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{}: not a regular file", file.string()), file.string()};
    }
    // It holds digests and the secret of tokens, which are nobody else's business.
    if ((info.st_mode & 077) != 0) ::chmod(file.c_str(), 0600);
    store->device_ = info.st_dev;
    store->inode_ = info.st_ino;
    sqlite3* database = nullptr;
    const int status = sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
    store->database_.reset(database);
    if (status != SQLITE_OK) return database_error(file, database, status);
    sqlite3_busy_timeout(database, kBusyTimeoutMs);
    STENOD_RETURN_IF_ERROR(store->set_journal_mode(journal_mode));
    // Opening a file for writing does not tell whether it can be written.
    if (sqlite3_db_readonly(database, "main") == 1) return database_error(file, nullptr, SQLITE_READONLY);
    return store;
  }

  Status execute(const char* sql) {
    const int status = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
    return status == SQLITE_OK ? Status() : Status(database_error(file_, database_.get(), status));
  }

  Status set_journal_mode(std::string_view mode) {
    return execute(fmt::format("PRAGMA journal_mode = {}", mode).c_str());
  }

  /// All of `change`, or nothing.
  template <typename Change>
  Status transact(const Change& change) {
    STENOD_RETURN_IF_ERROR(execute("BEGIN IMMEDIATE"));
    Status status = change();
    if (status) status = execute("COMMIT");
    if (!status) (void)sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return status;
  }

  Result<std::int64_t> query(std::string_view sql) {
    Statement statement(*this, sql);
    STENOD_ASSIGN_OR_RETURN(const bool has_row, statement.next());
    return has_row ? statement.integer(0) : 0;
  }

  /// The version of the tables, 0 where there are none yet.
  Result<std::int64_t> version() {
    STENOD_ASSIGN_OR_RETURN(const std::int64_t id, query("PRAGMA application_id"));
    STENOD_ASSIGN_OR_RETURN(const std::int64_t found, query("PRAGMA user_version"));
    STENOD_ASSIGN_OR_RETURN(const std::int64_t num_tables, query("SELECT count(*) FROM sqlite_schema"));
    if (id == 0 && found == 0 && num_tables == 0) return 0;
    if (id != kApplicationId) return damaged("this is another program's database");
    if (found > kVersion) {
      return Error{ErrorCode::kNotSupported,
                   fmt::format("{}: written by a later version of stenod (format {}, expected {})", file_.string(),
                               found, kVersion),
                   file_.string()};
    }
    return found;
  }

  Error damaged(std::string_view what) const {
    return {ErrorCode::kAccessDatabaseDamaged,
            fmt::format("{}: {}; put a backup in its place, or move it away and create the keys anew", file_.string(),
                        what),
            file_.string()};
  }

  Status create_tables() {
    STENOD_ASSIGN_OR_RETURN(const std::string secret, random_text(kTokenSecretBytes));
    return transact([&]() -> Status {
      STENOD_RETURN_IF_ERROR(execute(kSchema));
      return Statement(*this, "INSERT INTO secrets VALUES ('token', ?)").bind(std::string_view(secret)).run();
    });
  }

  std::filesystem::path file_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::int64_t data_version_ = -1;
};

KeyStore::KeyStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KeyStore::KeyStore(KeyStore&&) noexcept = default;
KeyStore& KeyStore::operator=(KeyStore&&) noexcept = default;
KeyStore::~KeyStore() = default;

Result<KeyStore> KeyStore::open(const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(auto store, Impl::open(file, "WAL"));
  STENOD_ASSIGN_OR_RETURN(const std::int64_t version, store->version());
  if (version == 0) return store->damaged("the file is empty");
  return KeyStore(std::move(store));
}

Result<KeyStore> KeyStore::open_or_create(const std::filesystem::path& file) {
  struct stat info = {};
  if (::stat(file.c_str(), &info) == 0) return open(file);
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) return file_error("cannot create", file.parent_path(), error.value());
  // Under another name first: a server that finds a file without tables takes it for a damaged one.
  std::string temporary = file.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) return file_error("cannot create", file, errno);
  ::close(fd);
  // The tables go straight to the file, so that closing it has nothing left to write. It is in WAL mode before it has
  // its name: of two that switch a file to it at once, SQLite fails one without a wait.
  Status status;
  if (auto store = Impl::open(temporary, "DELETE")) {
    status = (*store)->create_tables();
    if (status) status = (*store)->set_journal_mode("WAL");
  } else {
    status = std::move(store).error();
  }
  if (status && ::link(temporary.c_str(), file.c_str()) != 0 && errno != EEXIST) {  // or another process was first
    status = file_error("cannot create", file, errno);
  }
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((temporary + suffix).c_str());
  if (!status) return std::move(status).error();
  return open(file);
}

Result<CreatedKey> KeyStore::create(const NewKey& key, TimePoint now) {
  STENOD_RETURN_IF_ERROR(check(key, now));
  STENOD_ASSIGN_OR_RETURN(std::string text, make_key());
  CreatedKey created{std::string(*key_id_of(text)), std::move(text)};
  Impl::Statement insert(
      *impl_,
      "INSERT INTO keys (id, name, digest, is_admin, streams, minutes_per_day, created_at, expires_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  STENOD_RETURN_IF_ERROR(insert
                             .bind(std::string_view(created.id), std::string_view(key.name),
                                   std::string_view(sha256_hex(std::as_bytes(std::span(created.text)))),
                                   std::int64_t{key.is_admin}, std::int64_t{key.limits.streams},
                                   key.limits.audio_minutes_per_day, unix_time(now), key.expires_at)
                             .run());
  return created;
}

Result<std::vector<KeyRecord>> KeyStore::list() {
  Impl::Statement select(
      *impl_,
      "SELECT id, name, digest, is_admin, streams, minutes_per_day, created_at, expires_at, revoked_at "
      "FROM keys ORDER BY sequence");
  std::vector<KeyRecord> keys;
  STENOD_ASSIGN_OR_RETURN(bool has_row, select.next());
  while (has_row) {
    keys.push_back({select.text(0),
                    select.text(1),
                    select.text(2),
                    select.integer(3) != 0,
                    {static_cast<int>(select.integer(4)), select.number(5)},
                    from_unix_time(select.integer(6)),
                    select.time(7),
                    select.time(8)});
    STENOD_ASSIGN_OR_RETURN(has_row, select.next());
  }
  return keys;
}

Status KeyStore::revoke(std::string_view id, TimePoint now) {
  Impl::Statement update(*impl_, "UPDATE keys SET revoked_at = ifnull(revoked_at, ?) WHERE id = ?");
  STENOD_RETURN_IF_ERROR(update.bind(unix_time(now), id).run());
  if (sqlite3_changes64(impl_->database_.get()) > 0) return {};
  return Error{ErrorCode::kNotFound, fmt::format("no key has the id '{}'; stenod key list shows them", id), "id"};
}

Result<bool> KeyStore::has_changed() {
  STENOD_ASSIGN_OR_RETURN(const std::int64_t version, impl_->query("PRAGMA data_version"));
  return std::exchange(impl_->data_version_, version) != version;
}

bool KeyStore::is_replaced() const {
  struct stat info = {};
  if (::stat(impl_->file_.c_str(), &info) != 0) return false;
  return info.st_dev != impl_->device_ || info.st_ino != impl_->inode_;
}

Result<std::string> KeyStore::token_secret() {
  Impl::Statement select(*impl_, "SELECT value FROM secrets WHERE name = 'token'");
  STENOD_ASSIGN_OR_RETURN(const bool has_row, select.next());
  // Without it anybody could sign.
  if (!has_row || select.text(0).size() < kTokenSecretBytes) return impl_->damaged("the secret of tokens is missing");
  return select.text(0);
}

Status KeyStore::add_usage(std::span<const Usage> usage) {
  return impl_->transact([&]() -> Status {
    Impl::Statement upsert(
        *impl_, "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET audio_s = audio_s + excluded.audio_s");
    std::int64_t last_day = 0;
    for (const Usage& one : usage) {
      STENOD_RETURN_IF_ERROR(upsert.bind(std::string_view(one.key_id), one.day, one.audio_s).run());
      last_day = std::max(last_day, one.day);
    }
    return Impl::Statement(*impl_, "DELETE FROM usage WHERE day < ?").bind(last_day - kDaysKept).run();
  });
}

Result<std::vector<Usage>> KeyStore::usage(std::int64_t day) {
  Impl::Statement select(*impl_, "SELECT key_id, audio_s FROM usage WHERE day = ?");
  select.bind(day);
  std::vector<Usage> usage;
  STENOD_ASSIGN_OR_RETURN(bool has_row, select.next());
  while (has_row) {
    usage.push_back({select.text(0), day, select.number(1)});
    STENOD_ASSIGN_OR_RETURN(has_row, select.next());
  }
  return usage;
}

}  // namespace stenod::access
