#include "access/key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "access/testing/access_folder.h"
#include "access/testing/execute.h"
#include "base/sha256.h"

namespace stenod::access {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const TimePoint kNow{std::chrono::seconds(1800000000)};

class KeyStoreTest : public ::testing::Test {
 protected:
  KeyStore open() {
    auto store = KeyStore::open_or_create(folder_.database());
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
    return std::move(store).value();
  }
  void write(const std::string& bytes) { std::ofstream(folder_.database(), std::ios::binary) << bytes; }
  void execute(const char* sql) { access::execute(folder_.database(), sql); }
  ErrorCode error_of_opening() {
    const auto store = KeyStore::open(folder_.database());
    EXPECT_FALSE(store.ok());
    return store.ok() ? ErrorCode::kInternal : store.error().code;
  }

  AccessFolder folder_;
};

TEST_F(KeyStoreTest, KeepsKeysWithoutTheirText) {
  std::string text;
  {
    KeyStore store = open();
    const auto created = store.create({"Call centre", true, {20, 90.5}, kNow + std::chrono::hours(1)}, kNow);
    ASSERT_TRUE(created.ok());
    ASSERT_TRUE(store.create({"second"}, kNow + std::chrono::seconds(1)).ok());
    text = created->text;
    EXPECT_EQ(created->id, *key_id_of(text));
  }
  KeyStore store = open();
  const auto keys = store.list();
  ASSERT_TRUE(keys.ok());
  ASSERT_THAT(*keys, SizeIs(2));
  const KeyRecord& key = keys->front();
  EXPECT_EQ(key.name, "Call centre");
  EXPECT_EQ(key.digest, sha256_hex(std::as_bytes(std::span(text))));
  EXPECT_TRUE(key.is_admin);
  EXPECT_EQ(key.limits.streams, 20);
  EXPECT_EQ(key.limits.audio_minutes_per_day, 90.5);
  EXPECT_EQ(key.created_at, kNow);
  EXPECT_EQ(key.expires_at, kNow + std::chrono::hours(1));
  EXPECT_FALSE(key.revoked_at);
  EXPECT_FALSE(keys->back().is_admin);
  EXPECT_FALSE(keys->back().expires_at);

  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    std::stringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    EXPECT_EQ(bytes.str().find(text.substr(12)), std::string::npos) << entry.path();
  }
}

TEST_F(KeyStoreTest, FilesAreForTheirOwnerAlone) {
  const mode_t before = ::umask(0);
  KeyStore store = open();
  ASSERT_TRUE(store.create({"a"}, kNow).ok());
  ::umask(before);
  int num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    struct stat info = {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U) << entry.path();
    ++num_files;
  }
  EXPECT_GE(num_files, 2) << "the database and its log";

  ASSERT_EQ(::chmod(folder_.database().c_str(), 0666), 0);
  open();
  struct stat info = {};
  ASSERT_EQ(::stat(folder_.database().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U) << "rights that are too wide are taken back";
}

TEST_F(KeyStoreTest, RevokesOnce) {
  KeyStore store = open();
  const auto created = store.create({"a"}, kNow);
  ASSERT_TRUE(store.revoke(created->id, kNow + std::chrono::seconds(5)).ok());
  ASSERT_TRUE(store.revoke(created->id, kNow + std::chrono::seconds(9)).ok());
  EXPECT_EQ(store.list()->front().revoked_at, kNow + std::chrono::seconds(5));
  EXPECT_EQ(store.revoke("abcdefgh", kNow).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store.revoke("' OR 1=1 --", kNow).error().code, ErrorCode::kNotFound);
}

TEST_F(KeyStoreTest, AKeyIsValidUntilItExpiresOrIsRevoked) {
  KeyStore store = open();
  ASSERT_TRUE(store.create({"a"}, kNow).ok());
  KeyRecord key = store.list()->front();
  EXPECT_TRUE(key.is_valid(kNow));
  key.expires_at = kNow;
  EXPECT_FALSE(key.is_valid(kNow));
  EXPECT_TRUE(key.is_valid(kNow - std::chrono::seconds(1)));
  key.revoked_at = kNow;
  EXPECT_FALSE(key.is_valid(kNow - std::chrono::seconds(1)));
}

TEST_F(KeyStoreTest, WrongKeysAreRefused) {
  KeyStore store = open();
  const auto param = [&](const NewKey& key) {
    const auto created = store.create(key, kNow);
    EXPECT_FALSE(created.ok());
    if (created.ok()) return std::string();
    EXPECT_EQ(created.error().code, ErrorCode::kInvalidArgument);
    return created.error().param;
  };
  EXPECT_EQ(param({""}), "name");
  EXPECT_EQ(param({std::string(201, 'a')}), "name");
  EXPECT_EQ(param({"a\nb"}), "name");
  EXPECT_EQ(param({"a", false, {-1, 0}}), "streams");
  EXPECT_EQ(param({"a", false, {1000001, 0}}), "streams");
  EXPECT_EQ(param({"a", false, {0, -0.1}}), "minutes_per_day");
  EXPECT_EQ(param({"a", false, {0, 2e9}}), "minutes_per_day");
  EXPECT_EQ(param({"a", false, {0, std::numeric_limits<double>::quiet_NaN()}}), "minutes_per_day");
  EXPECT_EQ(param({"a", false, {}, kNow}), "expires_at");
  EXPECT_THAT(*store.list(), IsEmpty());
}

TEST_F(KeyStoreTest, AddsUsageUpByDay) {
  KeyStore store = open();
  const std::int64_t day = day_of(kNow);
  ASSERT_TRUE(store.add_usage(std::vector<Usage>{{"a", day, 1.5}, {"b", day, 4}, {"a", day + 1, 8}}).ok());
  ASSERT_TRUE(store.add_usage(std::vector<Usage>{{"a", day, 2}}).ok());
  const auto usage = store.usage(day);
  ASSERT_TRUE(usage.ok());
  ASSERT_THAT(*usage, SizeIs(2));
  EXPECT_EQ(usage->front().key_id, "a");
  EXPECT_EQ(usage->front().audio_s, 3.5);
  EXPECT_THAT(*store.usage(day + 1), SizeIs(1));
  ASSERT_TRUE(store.add_usage(std::vector<Usage>{{"a", day + 100, 1}}).ok());
  EXPECT_THAT(*store.usage(day), IsEmpty()) << "long past";
}

TEST_F(KeyStoreTest, NoticesWhatOthersChange) {
  KeyStore server = open();
  ASSERT_TRUE(*server.has_changed()) << "at first everything is new";
  EXPECT_FALSE(*server.has_changed());
  open().create({"a"}, kNow).ok();
  EXPECT_TRUE(*server.has_changed());
  EXPECT_FALSE(*server.has_changed());
  EXPECT_THAT(*server.list(), SizeIs(1));
}

TEST_F(KeyStoreTest, TheSecretOfTokensStays) {
  const std::string secret = *open().token_secret();
  EXPECT_GE(secret.size(), 32U);
  EXPECT_EQ(*open().token_secret(), secret);
  AccessFolder other;
  EXPECT_NE(*KeyStore::open_or_create(other.database())->token_secret(), secret);
  execute("DELETE FROM secrets");
  EXPECT_EQ(open().token_secret().error().code, ErrorCode::kAccessDatabaseDamaged);
}

TEST_F(KeyStoreTest, ManyMayWriteAtOnce) {
  constexpr int kThreads = 4, kKeys = 10;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      // Each with a connection of its own, as processes have; the first creates the file.
      auto store = KeyStore::open_or_create(folder_.database());
      ASSERT_TRUE(store.ok()) << store.error().message;
      for (int i = 0; i < kKeys; ++i) {
        ASSERT_TRUE(store->create({"a"}, kNow).ok());
        ASSERT_TRUE(store->add_usage(std::vector<Usage>{{"a", 1, 1.0}}).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(*open().list(), SizeIs(kThreads * kKeys));
  EXPECT_EQ(open().usage(1)->front().audio_s, kThreads * kKeys);
}

TEST_F(KeyStoreTest, FilesThatAreNoneOfOursAreRefused) {
  EXPECT_EQ(error_of_opening(), ErrorCode::kNotFound);
  std::filesystem::create_directory(folder_.database());
  EXPECT_EQ(error_of_opening(), ErrorCode::kInvalidArgument);
  std::filesystem::remove(folder_.database());
  write("");
  EXPECT_EQ(error_of_opening(), ErrorCode::kAccessDatabaseDamaged) << "an empty file is not 'no keys'";
  write(std::string(10000, 'x'));
  EXPECT_EQ(error_of_opening(), ErrorCode::kAccessDatabaseDamaged);
  std::filesystem::remove(folder_.database());
  execute("CREATE TABLE keys (a)");
  EXPECT_EQ(error_of_opening(), ErrorCode::kAccessDatabaseDamaged) << "another program's";
  EXPECT_FALSE(KeyStore::open_or_create(folder_.database()).ok()) << "which must not be changed either";
  execute("PRAGMA user_version = 1");
  EXPECT_EQ(error_of_opening(), ErrorCode::kAccessDatabaseDamaged) << "though it looks a little more like ours";
}

TEST_F(KeyStoreTest, ALaterVersionsFileIsRefused) {
  open();
  execute("PRAGMA user_version = 2");
  EXPECT_EQ(error_of_opening(), ErrorCode::kNotSupported);
}

TEST_F(KeyStoreTest, DamageIsAnError) {
  {
    KeyStore store = open();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(store.create({"some name that takes a little room"}, kNow).ok());
  }
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
  std::stringstream bytes;
  bytes << std::ifstream(folder_.database(), std::ios::binary).rdbuf();
  const std::string whole = bytes.str();
  ASSERT_GT(whole.size(), 10U * 4096);
  ASSERT_THAT(*open().list(), SizeIs(200));

  // The header stays, what follows is destroyed: found when the keys are read, never a crash, never "no keys".
  std::string damaged = whole;
  std::fill(damaged.begin() + 4096, damaged.end(), '\xA5');
  write(damaged);
  auto store = KeyStore::open(folder_.database());
  const auto keys = store ? store->list() : Result<std::vector<KeyRecord>>(store.error());
  ASSERT_FALSE(keys.ok());
  EXPECT_EQ(keys.error().code, ErrorCode::kAccessDatabaseDamaged);
  EXPECT_THAT(keys.error().message, HasSubstr("access.db"));
  EXPECT_THAT(keys.error().message, HasSubstr("backup"));

  write(whole.substr(0, whole.size() / 2));
  store = KeyStore::open(folder_.database());
  const auto half = store ? store->list() : Result<std::vector<KeyRecord>>(store.error());
  ASSERT_FALSE(half.ok());
  EXPECT_EQ(half.error().code, ErrorCode::kAccessDatabaseDamaged);
}

TEST_F(KeyStoreTest, AFolderThatCannotBeWrittenIsAnError) {
  open();
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0555), 0);
  const WithoutRights without_rights;
  EXPECT_EQ(error_of_opening(), ErrorCode::kPermissionDenied);
  const auto created = KeyStore::open_or_create(folder_.path() / "new" / "access.db");
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(KeyStoreTest, AReplacedFileIsNoticed) {
  KeyStore store = open();
  EXPECT_FALSE(store.is_replaced());
  std::filesystem::rename(folder_.database(), folder_.path() / "old.db");
  EXPECT_FALSE(store.is_replaced()) << "moved away is not replaced";
  write("");
  EXPECT_TRUE(store.is_replaced());
}

}  // namespace
}  // namespace stenod::access
