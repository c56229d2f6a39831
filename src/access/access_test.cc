#include "access/access.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>
#include <vector>

#include "access/credentials.h"
#include "access/failure_limiter.h"
#include "access/key_store.h"
#include "access/testing/access_folder.h"
#include "access/testing/execute.h"

namespace stenod::access {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;

const TimePoint kNow{seconds(1800000000)};  // 08:00 UTC
constexpr const char* kClient = "192.0.2.1";

class AccessTest : public ::testing::Test {
 protected:
  Options options() {
    Options options;
    options.folder = folder_.path();
    options.refresh = std::chrono::milliseconds(5);
    options.clock = [this] { return now_.load(); };
    return options;
  }
  std::unique_ptr<Access> open(const Options& with) {
    auto access = Access::open(with);
    EXPECT_TRUE(access.ok()) << (access.ok() ? "" : access.error().message);
    return access.ok() ? std::move(access).value() : nullptr;
  }
  std::unique_ptr<Access> open() { return open(options()); }
  CreatedKey create_key(const NewKey& key) { return folder_.create_key(key, kNow); }
  Principal principal(Access& access, const std::string& credential) {
    const auto result = access.authenticate(credential, kClient);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? *result : Principal();
  }
  double stored_audio_s(std::int64_t day) {
    double sum = 0;
    auto store = KeyStore::open(folder_.database());
    const auto stored = store->usage(day);
    for (const Usage& one : *stored) sum += one.audio_s;
    return sum;
  }
  /// Waits for the thread that follows the database.
  template <typename Condition>
  static bool eventually(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(30);
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  template <typename T>
  static ErrorCode code(const Result<T>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? ErrorCode::kInternal : result.error().code;
  }

  AccessFolder folder_;
  std::atomic<std::chrono::system_clock::time_point> now_{kNow};
};

TEST_F(AccessTest, WithoutKeysAnybodyMayUseIt) {
  const auto access = open();
  EXPECT_FALSE(access->keys_in_use());
  EXPECT_EQ(principal(*access, "").key_id, "");
  EXPECT_FALSE(principal(*access, "").is_admin);
  EXPECT_EQ(principal(*access, "a key that some client always sends").key_id, "");
  auto lease = access->open_stream(Principal(), kClient);
  ASSERT_TRUE(lease.ok());
  EXPECT_TRUE(lease->add_audio(1e9).ok());
  EXPECT_TRUE(access->check_audio(Principal()).ok());
  EXPECT_EQ(code(access->mint_token(Principal(), {})), ErrorCode::kForbidden);
  EXPECT_FALSE(std::filesystem::exists(folder_.database())) << "nothing is written where nothing is kept";

  Options of_one_machine = options();
  of_one_machine.anybody_is_admin = true;
  EXPECT_TRUE(principal(*open(of_one_machine), "").is_admin);
}

TEST_F(AccessTest, AKeyIsKnownByItsWholeText) {
  const CreatedKey key = create_key({"Call centre", true, {3, 60}});
  const CreatedKey other = create_key({"other"});
  const auto access = open();
  EXPECT_TRUE(access->keys_in_use());
  const Principal who = principal(*access, key.text);
  EXPECT_EQ(who.key_id, key.id);
  EXPECT_EQ(who.name, "Call centre");
  EXPECT_TRUE(who.is_admin);
  EXPECT_EQ(who.limits.streams, 3);
  EXPECT_EQ(who.limits.audio_minutes_per_day, 60);
  EXPECT_FALSE(principal(*access, other.text).is_admin);

  const auto nobody = access->authenticate("", kClient);
  EXPECT_EQ(code(nobody), ErrorCode::kUnauthorized);
  EXPECT_THAT(nobody.error().message, HasSubstr("Authorization: Bearer"));
  std::string changed = key.text;
  changed.back() = changed.back() == 'a' ? 'b' : 'a';
  const std::string mixed = key.text.substr(0, 12) + other.text.substr(12);
  int i = 0;
  for (const std::string& wrong : {changed, mixed, key.id, key.text + "a", key.text.substr(1), std::string("x"),
                                   std::string(100000, 'a'), std::string("\0\xFF", 2)}) {
    EXPECT_EQ(code(access->authenticate(wrong, fmt::format("198.51.100.{}", ++i))), ErrorCode::kUnauthorized) << wrong;
  }
}

TEST_F(AccessTest, ARunningServerSeesNewAndRevokedKeys) {
  const auto access = open();
  EXPECT_FALSE(access->keys_in_use());
  const CreatedKey key = create_key({"a"});
  EXPECT_TRUE(eventually([&] { return access->keys_in_use(); }));
  EXPECT_EQ(code(access->open_stream(Principal(), kClient)), ErrorCode::kUnauthorized);
  const Principal who = principal(*access, key.text);
  auto lease = access->open_stream(who, kClient);
  ASSERT_TRUE(lease.ok());
  EXPECT_TRUE(lease->add_audio(1).ok());

  ASSERT_TRUE(KeyStore::open(folder_.database())->revoke(key.id, kNow).ok());
  EXPECT_TRUE(eventually([&] { return !access->authenticate(key.text, kClient).ok(); }));
  EXPECT_EQ(code(lease->add_audio(1)), ErrorCode::kUnauthorized) << "what runs is ended too";
  EXPECT_EQ(code(access->open_stream(who, kClient)), ErrorCode::kUnauthorized);
  EXPECT_EQ(code(access->mint_token(who, {})), ErrorCode::kUnauthorized);
  EXPECT_TRUE(access->keys_in_use()) << "revoking the last key opens nothing";
  EXPECT_EQ(code(access->authenticate("", kClient)), ErrorCode::kUnauthorized);
}

TEST_F(AccessTest, AKeyExpires) {
  NewKey trial{"trial"};
  trial.expires_at = kNow + hours(1);
  const CreatedKey key = create_key(trial);
  const auto access = open();
  const Principal who = principal(*access, key.text);
  const Token token = *access->mint_token(who, {hours(1)});
  EXPECT_EQ(token.expires_at, kNow + hours(1));
  now_ = kNow + seconds(1800);
  EXPECT_EQ(access->mint_token(who, {hours(1)})->expires_at, kNow + hours(1)) << "no token outlives its key";
  now_ = kNow + hours(1);
  EXPECT_THAT(access->authenticate(key.text, kClient).error().message, HasSubstr("expired"));
  EXPECT_EQ(code(access->authenticate(token.text, kClient)), ErrorCode::kUnauthorized);
}

TEST_F(AccessTest, TokensStandForTheirKey) {
  const CreatedKey key = create_key({"backend", true, {5, 0}});
  const auto access = open();
  const Principal backend = principal(*access, key.text);
  const auto token = access->mint_token(backend, {seconds(60), 2});
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->expires_at, kNow + seconds(60));
  const Principal browser = principal(*access, token->text);
  EXPECT_EQ(browser.key_id, key.id);
  EXPECT_EQ(browser.limits.streams, 5);
  EXPECT_EQ(browser.token_streams, 2);
  EXPECT_FALSE(browser.token_id.empty());
  EXPECT_FALSE(browser.is_admin) << "though the key is an admin's";
  EXPECT_EQ(code(access->mint_token(browser, {})), ErrorCode::kForbidden);

  // Another server on the same folder, or this one after a restart, takes it as well.
  EXPECT_EQ(principal(*open(), token->text).key_id, key.id);
  AccessFolder elsewhere;
  Options options_elsewhere = options();
  options_elsewhere.folder = elsewhere.path();
  elsewhere.create_key({"a"}, kNow);
  EXPECT_EQ(code(open(options_elsewhere)->authenticate(token->text, kClient)), ErrorCode::kUnauthorized);

  now_ = kNow + seconds(60);
  EXPECT_EQ(code(access->authenticate(token->text, kClient)), ErrorCode::kUnauthorized);
  now_ = kNow;
  EXPECT_TRUE(access->authenticate(token->text, kClient).ok());
  ASSERT_TRUE(KeyStore::open(folder_.database())->revoke(key.id, kNow).ok());
  EXPECT_TRUE(eventually([&] { return !access->authenticate(token->text, kClient).ok(); }));
}

TEST_F(AccessTest, WrongRequestsForTokensAreRefused) {
  const CreatedKey key = create_key({"a"});
  const auto access = open();
  const Principal who = principal(*access, key.text);
  for (const int ttl : {0, -1, 3601, std::numeric_limits<int>::max()}) {
    const auto token = access->mint_token(who, {seconds(ttl)});
    ASSERT_FALSE(token.ok()) << ttl;
    EXPECT_EQ(token.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(token.error().param, "ttl_s");
  }
  for (const int streams : {-1, 1000001}) {
    const auto token = access->mint_token(who, {seconds(60), streams});
    ASSERT_FALSE(token.ok()) << streams;
    EXPECT_EQ(token.error().param, "streams");
  }
}

TEST_F(AccessTest, LimitsStreamsOfAKeyWithAllItsTokens) {
  const CreatedKey key = create_key({"a", false, {3, 0}});
  const auto access = open();
  const Principal who = principal(*access, key.text);
  const Principal browser = principal(*access, access->mint_token(who, {seconds(60), 2})->text);
  std::vector<StreamLease> leases;
  for (int i = 0; i < 2; ++i) leases.push_back(*access->open_stream(browser, kClient));
  const auto third = access->open_stream(browser, kClient);
  EXPECT_EQ(code(third), ErrorCode::kTooManyStreams);
  EXPECT_THAT(third.error().message, HasSubstr("token"));
  EXPECT_EQ(code(access->check_stream(browser, kClient)), ErrorCode::kTooManyStreams);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(access->check_stream(who, kClient).ok()) << "takes no place";
  EXPECT_GT(third.error().retry_after.count(), 0);
  leases.push_back(*access->open_stream(who, kClient));
  const auto fourth = access->open_stream(who, kClient);
  EXPECT_EQ(code(fourth), ErrorCode::kTooManyStreams);
  EXPECT_THAT(fourth.error().message, HasSubstr("key"));
  EXPECT_EQ(code(access->check_stream(who, kClient)), ErrorCode::kTooManyStreams);
  leases.clear();
  for (int i = 0; i < 3; ++i) leases.push_back(*access->open_stream(who, kClient));
}

TEST_F(AccessTest, LimitsStreamsOfAClientAddress) {
  Options limited = options();
  limited.max_streams_per_client = 2;
  const auto access = open(limited);
  StreamLease a = *access->open_stream({}, "2001:db8::1");
  StreamLease b = *access->open_stream({}, "2001:db8::2");
  EXPECT_EQ(code(access->open_stream({}, "2001:db8::3")), ErrorCode::kTooManyStreams) << "of the same subscriber";
  EXPECT_TRUE(access->open_stream({}, "2001:db8:0:1::1").ok());
  b = StreamLease();
  EXPECT_TRUE(access->open_stream({}, "2001:db8::3").ok());
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(access->open_stream({}, fmt::format("10.0.{}.{}", i / 250, i % 250)).ok()) << "and gone again";
  }
}

TEST_F(AccessTest, ALeaseThatIsMovedHoldsOnePlace) {
  const CreatedKey key = create_key({"a", false, {1, 0}});
  const auto access = open();
  const Principal who = principal(*access, key.text);
  {
    StreamLease a = *access->open_stream(who, kClient);
    StreamLease b = std::move(a);
    StreamLease c;
    c = std::move(b);
    EXPECT_TRUE(c.add_audio(1).ok());
    EXPECT_FALSE(access->open_stream(who, kClient).ok());
  }
  EXPECT_TRUE(access->open_stream(who, kClient).ok());
  EXPECT_TRUE(StreamLease().add_audio(1).ok()) << "no place, no limit";
}

TEST_F(AccessTest, ADaysMinutesAreUsedUpAndComeBackAtMidnight) {
  const CreatedKey key = create_key({"a", false, {0, 1}});  // 60 s
  const auto access = open();
  const Principal who = principal(*access, key.text);
  StreamLease lease = *access->open_stream(who, kClient);
  EXPECT_TRUE(lease.add_audio(40).ok());
  EXPECT_TRUE(access->check_audio(who).ok());
  EXPECT_TRUE(access->add_audio(who, 20).ok()) << "exactly as much as there is";
  EXPECT_EQ(code(access->check_audio(who)), ErrorCode::kQuotaExceeded);
  const Status exceeded = lease.add_audio(0.125);
  ASSERT_FALSE(exceeded.ok());
  EXPECT_EQ(exceeded.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_EQ(exceeded.error().retry_after, hours(16)) << "at 08:00 UTC";
  EXPECT_EQ(code(access->open_stream(who, kClient)), ErrorCode::kQuotaExceeded);

  now_ = kNow + hours(16) - seconds(1);
  EXPECT_FALSE(lease.add_audio(0.125).ok());
  now_ = kNow + hours(16);
  EXPECT_TRUE(lease.add_audio(59).ok());
  EXPECT_FALSE(lease.add_audio(2).ok());
  EXPECT_TRUE(
      eventually([&] { return stored_audio_s(day_of(kNow)) == 60.25 && stored_audio_s(day_of(kNow) + 1) == 61; }));

  now_ = kNow;  // the clock is put right
  EXPECT_TRUE(eventually([&] { return !access->open_stream(who, kClient).ok(); }));
  EXPECT_FALSE(lease.add_audio(2).ok()) << "the earlier day was used up";
}

TEST_F(AccessTest, WhatWasTooMuchIsCountedSoThatNobodyGetsItAgain) {
  const CreatedKey key = create_key({"a", false, {0, 1}});  // 60 s
  const auto access = open();
  const Principal who = principal(*access, key.text);
  EXPECT_TRUE(access->add_audio(who, 59).ok());
  EXPECT_EQ(code(access->open_stream(who, kClient)->add_audio(2)), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code(access->open_stream(who, kClient)), ErrorCode::kQuotaExceeded) << "the next stream too";
  EXPECT_EQ(code(access->check_audio(who)), ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(eventually([&] { return stored_audio_s(day_of(kNow)) == 61; }));
}

TEST_F(AccessTest, UsageOutlivesTheServerAndIsSharedByServers) {
  const CreatedKey key = create_key({"a", false, {0, 1}});
  const auto other = open();
  {
    const auto access = open();
    EXPECT_TRUE(access->add_audio(principal(*access, key.text), 50).ok());
  }
  EXPECT_EQ(stored_audio_s(day_of(kNow)), 50) << "written at the end at the latest";
  EXPECT_EQ(code(open()->add_audio(principal(*other, key.text), 20)), ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(eventually([&] { return !other->check_audio(principal(*other, key.text)).ok(); }));
}

TEST_F(AccessTest, WhatCannotBeWrittenIsKept) {
  const CreatedKey key = create_key({"a", false, {1, 1}});
  const auto access = open();
  const Principal who = principal(*access, key.text);
  execute(folder_.database(), "CREATE TRIGGER broken BEFORE INSERT ON usage BEGIN SELECT raise(ABORT, 'broken'); END");
  StreamLease lease = *access->open_stream(who, kClient);
  EXPECT_TRUE(lease.add_audio(50).ok());
  // Keys are followed all the same, and what is known here is not forgotten over that.
  const CreatedKey second = create_key({"b"});
  EXPECT_TRUE(eventually([&] { return access->authenticate(second.text, kClient).ok(); }));
  EXPECT_EQ(code(access->open_stream(who, kClient)), ErrorCode::kTooManyStreams);
  EXPECT_EQ(code(Result<bool>(lease.add_audio(20).error())), ErrorCode::kQuotaExceeded);
  execute(folder_.database(), "DROP TRIGGER broken");
  EXPECT_TRUE(eventually([&] { return stored_audio_s(day_of(kNow)) == 70; }));
}

TEST_F(AccessTest, NonsenseIsNotCounted) {
  const CreatedKey key = create_key({"a"});
  const auto access = open();
  const Principal who = principal(*access, key.text);
  for (const double wrong : {-1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_EQ(code(access->add_audio(who, wrong)), ErrorCode::kInvalidArgument);
  }
}

TEST_F(AccessTest, WrongKeysAreHeldUpAndRightOnesAreNot) {
  const CreatedKey key = create_key({"a"});
  const auto access = open();
  const std::string wrong = "sk_abcdefgh_" + std::string(32, 'a');
  for (int i = 0; i < FailureLimiter::kBurst; ++i) {
    EXPECT_EQ(code(access->authenticate(wrong, kClient)), ErrorCode::kUnauthorized);
  }
  const auto held_up = access->authenticate(wrong, kClient);
  EXPECT_EQ(code(held_up), ErrorCode::kTooManyFailures);
  EXPECT_GT(held_up.error().retry_after.count(), 0);
  EXPECT_TRUE(access->authenticate(key.text, kClient).ok()) << "nobody is locked out by others of their address";
  EXPECT_EQ(code(access->authenticate("", kClient)), ErrorCode::kUnauthorized) << "asking without a key is no guess";
  now_ = kNow + FailureLimiter::kRefill;
  EXPECT_EQ(code(access->authenticate(wrong, kClient)), ErrorCode::kUnauthorized);
}

TEST_F(AccessTest, ADatabaseThatCannotBeReadOpensNothing) {
  std::ofstream(folder_.database()) << "no database";
  const auto refused = Access::open(options());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kAccessDatabaseDamaged);
  std::filesystem::remove(folder_.database());

  // The same while it runs: whoever may not read the keys must not take it for a server without any.
  const auto access = open();
  EXPECT_FALSE(access->keys_in_use());
  std::ofstream(folder_.database()) << "no database";
  EXPECT_TRUE(eventually([&] { return access->keys_in_use(); }));
  EXPECT_EQ(code(access->authenticate("", kClient)), ErrorCode::kUnauthorized);
  std::filesystem::remove(folder_.database());
  const CreatedKey key = create_key({"a"});
  EXPECT_TRUE(eventually([&] { return access->authenticate(key.text, kClient).ok(); })) << "it comes back";
}

TEST_F(AccessTest, ADatabaseThatGoesLeavesTheKeysAndAReplacedOneIsRead) {
  const CreatedKey key = create_key({"a"});
  const auto access = open();
  std::filesystem::remove(folder_.database());
  std::filesystem::remove(folder_.path() / "access.db-wal");
  std::filesystem::remove(folder_.path() / "access.db-shm");
  EXPECT_TRUE(access->authenticate(key.text, kClient).ok());
  const CreatedKey second = create_key({"b"});
  EXPECT_TRUE(eventually([&] { return access->authenticate(second.text, kClient).ok(); }));
  EXPECT_FALSE(access->authenticate(key.text, kClient).ok());
}

TEST_F(AccessTest, ManyThreadsAtOnce) {
  const CreatedKey key = create_key({"a", false, {4, 0}});
  const auto access = open();
  const std::string token = access->mint_token(principal(*access, key.text), {})->text;
  constexpr int kThreads = 4, kRounds = 200;
  std::atomic<int> num_open = 0, num_opened = 0, most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const std::string address = fmt::format("10.{}.{}.1", t, i);
        (void)access->authenticate("wrong", address);
        const auto who = access->authenticate(i % 2 == 0 ? key.text : token, address);
        ASSERT_TRUE(who.ok());
        std::vector<StreamLease> leases;
        for (int n = 0; n < 2; ++n) {
          auto lease = access->open_stream(*who, address);
          if (!lease.ok()) continue;
          int seen = most;
          const int now_open = ++num_open;
          while (now_open > seen && !most.compare_exchange_weak(seen, now_open)) {
          }
          ++num_opened;
          ASSERT_TRUE(lease->add_audio(0.5).ok());
          leases.push_back(std::move(lease).value());
        }
        num_open -= static_cast<int>(leases.size());
      }
    });
  }
  std::thread changer([&] {
    for (int i = 0; i < 20; ++i) create_key({"other"});
  });
  for (auto& thread : threads) thread.join();
  changer.join();
  EXPECT_LE(most, 4);
  EXPECT_GT(num_opened, 0);
  std::vector<StreamLease> all;
  for (int i = 0; i < 4; ++i) all.push_back(*access->open_stream(principal(*access, key.text), kClient));
  EXPECT_TRUE(eventually([&] { return stored_audio_s(day_of(kNow)) == num_opened * 0.5; })) << "not a second is lost";
}

}  // namespace
}  // namespace stenod::access
