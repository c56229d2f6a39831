#include "net/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace stenod::net {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr BackoffOptions kFast{
    .max_failures = 3, .first_wait = std::chrono::milliseconds(1), .max_asked_wait = std::chrono::seconds(5)};

HttpHead answer(int status, std::map<std::string, std::string> headers = {}) {
  HttpHead head;
  head.status = status;
  head.headers = std::move(headers);
  return head;
}

Status wait_once(ErrorCode code, const HttpHead& head) {
  return Backoff(kFast).wait(Error{code, "failed"}, head, false, {});
}

TEST(Backoff, KnowsWhatMayPass) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_TRUE(wait_once(ErrorCode::kNetHttpStatus, answer(status)).ok()) << status;
  }
  for (const int status : {400, 401, 403, 404, 416}) {
    EXPECT_EQ(wait_once(ErrorCode::kNetHttpStatus, answer(status)).error().code, ErrorCode::kNetHttpStatus) << status;
  }
  for (const auto code : {ErrorCode::kNetUnreachable, ErrorCode::kNetTimeout, ErrorCode::kNetIncomplete}) {
    EXPECT_TRUE(wait_once(code, {}).ok());
  }
  for (const auto code : {ErrorCode::kNetTls, ErrorCode::kNetTooLarge, ErrorCode::kDiskFull, ErrorCode::kCancelled}) {
    EXPECT_EQ(wait_once(code, answer(200)).error().code, code);
  }
}

TEST(Backoff, EndsAfterFailuresInARow) {
  const Error failure{ErrorCode::kNetIncomplete, "broke"};
  Backoff backoff(kFast);
  EXPECT_TRUE(backoff.wait(failure, {}, false, {}).ok());
  EXPECT_TRUE(backoff.wait(failure, {}, false, {}).ok());
  EXPECT_TRUE(backoff.wait(failure, {}, true, {}).ok()) << "this one got further";
  EXPECT_TRUE(backoff.wait(failure, {}, false, {}).ok());
  EXPECT_TRUE(backoff.wait(failure, {}, false, {}).ok());
  const auto last = backoff.wait(failure, {}, false, {});
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().message, "broke");
}

TEST(Backoff, WaitsLongerEachTime) {
  BackoffOptions options = kFast;
  options.first_wait = std::chrono::milliseconds(40);
  options.max_failures = 4;
  Backoff backoff(options);
  for (const int least_ms : {30, 60, 120}) {
    const auto start = Clock::now();
    ASSERT_TRUE(backoff.wait(Error{ErrorCode::kNetTimeout, ""}, {}, false, {}).ok());
    EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(least_ms));
  }
}

TEST(Backoff, HonoursWhatTheServerAsksFor) {
  const auto waited = [](const HttpHead& head) {
    const auto start = Clock::now();
    EXPECT_TRUE(wait_once(ErrorCode::kNetHttpStatus, head).ok());
    return Clock::now() - start;
  };
  EXPECT_GE(waited(answer(429, {{"retry-after", "1"}})), std::chrono::seconds(1));
  EXPECT_GE(waited(answer(503, {{"ratelimit", "\"api\";r=0;t=1"}})), std::chrono::seconds(1));
  EXPECT_LT(waited(answer(429, {{"ratelimit", "\"api\";r=5;t=3"}})), std::chrono::seconds(1)) << "not used up";
  EXPECT_LT(waited(answer(429, {{"retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"}})), std::chrono::seconds(1));

  for (const char* too_long : {"6", "99999999999999999"}) {
    const auto status = wait_once(ErrorCode::kNetHttpStatus, answer(429, {{"retry-after", too_long}}));
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message, HasSubstr("asks to wait for"));
    EXPECT_GE(status.error().retry_after, std::chrono::seconds(6));
  }
}

TEST(Backoff, CanBeStopped) {
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    source.request_stop();
  });
  const auto start = Clock::now();
  const auto status = Backoff(kFast).wait(Error{ErrorCode::kNetHttpStatus, ""}, answer(429, {{"retry-after", "4"}}),
                                          false, source.get_token());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(3));
}

}  // namespace
}  // namespace stenod::net
