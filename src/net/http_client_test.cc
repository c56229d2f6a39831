#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <tuple>

#include "net/testing/loopback_server.h"

namespace stenod::net {
namespace {

using testing::Answer;
using testing::LoopbackServer;
using testing::ServedRequest;
using ::testing::HasSubstr;
using ::testing::Not;

HttpRequest request_for(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.max_bytes = 1000;
  return request;
}

void expect_error(const HttpRequest& request, ErrorCode code, const std::string& message_part = "") {
  const auto text = http_get_text(request);
  ASSERT_FALSE(text.ok()) << "expected " << error_name(code);
  EXPECT_EQ(error_name(text.error().code), error_name(code)) << text.error().message;
  EXPECT_THAT(text.error().message, HasSubstr(message_part));
}

TEST(HttpClient, GetsText) {
  LoopbackServer server(
      [](const ServedRequest&) { return Answer{.headers = {"Content-Type: text/html"}, .body = "hello"}; });
  auto request = request_for(server.url("/a?b"));
  request.accept = "text/html";
  const auto text = http_get_text(request);
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text->body, "hello");
  EXPECT_EQ(text->head.status, 200);
  EXPECT_EQ(text->head.content_type, "text/html");
  EXPECT_EQ(text->head.total_size, 5U);
  EXPECT_EQ(text->url, server.url("/a?b"));
  const auto served = server.requests();
  ASSERT_EQ(served.size(), 1U);
  EXPECT_EQ(served[0].path, "/a?b");
  EXPECT_EQ(served[0].headers.at("user-agent"), "stenod");
  EXPECT_EQ(served[0].headers.at("accept"), "text/html");
  EXPECT_EQ(served[0].headers.count("range"), 0U);
}

TEST(HttpClient, HeadComesOnceAlsoForAnEmptyBody) {
  LoopbackServer server([](const ServedRequest&) { return Answer{}; });
  int num_heads = 0;
  const auto head = http_get(
      request_for(server.url()),
      [&](const HttpHead& h) -> Status {
        EXPECT_EQ(h.total_size, 0U);
        ++num_heads;
        return {};
      },
      [](std::span<const std::byte>) -> Status {
        return Error{ErrorCode::kInternal, "no body expected"};
      });
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(num_heads, 1);
}

TEST(HttpClient, ResumesWhereItIsTold) {
  LoopbackServer server([](const ServedRequest& r) { return serve_range(r, "0123456789"); });
  auto request = request_for(server.url());
  request.offset = 7;
  const auto text = http_get_text(request);
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text->body, "789");
  EXPECT_EQ(text->head.offset, 7U);
  EXPECT_EQ(text->head.total_size, 10U);
  EXPECT_EQ(server.requests()[0].headers.at("range"), "bytes=7-");
}

TEST(HttpClient, AsksForAPart) {
  LoopbackServer server([](const ServedRequest& r) { return serve_range(r, "0123456789"); });
  for (const auto& [offset, length, range, body] :
       {std::tuple(0U, 3U, "bytes=0-2", "012"), std::tuple(4U, 3U, "bytes=4-6", "456")}) {
    auto request = request_for(server.url());
    request.offset = offset;
    request.length = length;
    const auto text = http_get_text(request);
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_EQ(text->body, body);
    EXPECT_EQ(text->head.status, 206);
    EXPECT_EQ(text->head.total_size, 10U);
    EXPECT_EQ(server.requests().back().headers.at("range"), range);
  }
  auto beyond = request_for(server.url());
  beyond.offset = 10;
  beyond.length = 3;
  expect_error(beyond, ErrorCode::kNetHttpStatus, "status 416");
}

TEST(HttpClient, SendsATokenToTheFirstOriginOnly) {
  LoopbackServer other([](const ServedRequest&) { return Answer{.body = "far"}; });
  LoopbackServer own([&](const ServedRequest& r) {
    if (r.path == "/far") return Answer{.status = 302, .headers = {"Location: " + other.url("/x")}};
    if (r.path == "/near") return Answer{.status = 307, .headers = {"Location: /here"}};
    return Answer{.body = "near"};
  });
  auto request = request_for(own.url("/far"));
  request.bearer_token = "secret";
  EXPECT_EQ(http_get_text(request)->body, "far");
  EXPECT_EQ(own.requests()[0].headers.at("authorization"), "Bearer secret");
  const auto elsewhere = other.requests();
  ASSERT_EQ(elsewhere.size(), 1U);
  for (const auto& [name, value] : elsewhere[0].headers) EXPECT_THAT(value, Not(HasSubstr("secret"))) << name;
  request.url = own.url("/near");
  EXPECT_EQ(http_get_text(request)->body, "near");
  EXPECT_EQ(own.requests().back().path, "/here");
  EXPECT_EQ(own.requests().back().headers.at("authorization"), "Bearer secret");
  request.bearer_token.clear();
  EXPECT_TRUE(http_get_text(request).ok());
  EXPECT_EQ(own.requests().back().headers.count("authorization"), 0U);
}

TEST(HttpClient, TellsWhatTheServerSaidLast) {
  LoopbackServer server([](const ServedRequest&) {
    return Answer{.status = 429, .headers = {"Retry-After: 7", "X-Error-Code:  Some Thing "}, .body = "no"};
  });
  HttpHead answer;
  EXPECT_FALSE(http_get_text(request_for(server.url()), {}, &answer).ok());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("x-error-code"), "Some Thing");
  EXPECT_EQ(answer.header("x-other"), "");
  EXPECT_EQ(answer.retry_after(), std::chrono::seconds(7));
  EXPECT_FALSE(http_get_text(request_for("http://127.0.0.1:1/"), {}, &answer).ok());
  EXPECT_EQ(answer.status, 0);
}

TEST(HttpClient, StartsAgainWhereResumingFails) {
  // A range beyond the end; a server without ranges.
  LoopbackServer strict([](const ServedRequest& r) { return serve_range(r, "0123456789"); });
  LoopbackServer plain([](const ServedRequest&) { return Answer{.body = "0123456789"}; });
  for (const LoopbackServer* server : {&strict, &plain}) {
    auto request = request_for(server->url());
    request.offset = 10;
    const auto text = http_get_text(request);
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_EQ(text->body, "0123456789");
    EXPECT_EQ(text->head.offset, 0U);
  }
  EXPECT_EQ(strict.requests().size(), 2U);
}

TEST(HttpClient, AWrongRangeIsAnError) {
  for (const char* header : {"Content-Range: bytes 3-9/10", "Content-Range: nonsense", "X: y"}) {
    LoopbackServer server(
        [&](const ServedRequest&) { return Answer{.status = 206, .headers = {header}, .body = "3456789"}; });
    auto request = request_for(server.url());
    request.offset = 7;
    expect_error(request, ErrorCode::kNetIncomplete, "asked for the bytes from 7 on");
  }
}

TEST(HttpClient, AShortBodyIsAnError) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.body = "hello", .content_length = 10}; });
  expect_error(request_for(server.url()), ErrorCode::kNetIncomplete);
}

TEST(HttpClient, ErrorStatusIsAnErrorWithoutABody) {
  for (const int status : {404, 403, 500, 204}) {
    LoopbackServer server(
        [&](const ServedRequest&) { return Answer{.status = status, .body = status == 204 ? "" : "no"}; });
    expect_error(request_for(server.url("/x")), ErrorCode::kNetHttpStatus,
                 "/x answered with status " + std::to_string(status));
  }
}

TEST(HttpClient, AStallEnds) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.body = "hello", .stall_after = 2}; });
  auto request = request_for(server.url());
  request.stall_timeout = std::chrono::milliseconds(300);
  expect_error(request, ErrorCode::kNetTimeout, "sent nothing for 0.3 s");
}

TEST(HttpClient, SizeIsLimitedAnnouncedOrNot) {
  LoopbackServer honest([](const ServedRequest&) { return Answer{.body = std::string(1001, 'x')}; });
  expect_error(request_for(honest.url()), ErrorCode::kNetTooLarge, "expected at most 1000");
  LoopbackServer chunked([](const ServedRequest&) {
    // Chunked encoding, so that no length is known.
    return Answer{.headers = {"Transfer-Encoding: chunked"},
                  .body = "3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n"};
  });
  expect_error(request_for(chunked.url()), ErrorCode::kNetTooLarge, "1001 bytes or more");
  LoopbackServer resumed([](const ServedRequest& r) { return serve_range(r, std::string(1001, 'x')); });
  auto request = request_for(resumed.url());
  request.offset = 999;
  expect_error(request, ErrorCode::kNetTooLarge);
}

TEST(HttpClient, FollowsRedirectsButNotForEver) {
  LoopbackServer server([](const ServedRequest& r) {
    if (r.path == "/there") return Answer{.body = "here"};
    return Answer{
        .status = 302, .headers = {r.path == "/once" ? "Location: /there" : "Location: " + r.path}, .body = "moved"};
  });
  const auto text = http_get_text(request_for(server.url("/once")));
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text->body, "here");
  EXPECT_EQ(text->url, server.url("/there"));
  expect_error(request_for(server.url("/loop")), ErrorCode::kNetTooManyRedirects, "more than 5 redirects");
  EXPECT_EQ(server.requests().size(), 2U + 6U);
}

TEST(HttpClient, SpeaksPlainHttpWithThisMachineOnly) {
  expect_error(request_for("http://example.org/"), ErrorCode::kNetBadUrl, "expected https");
  expect_error(request_for("http://127.0.0.1.example.org/"), ErrorCode::kNetBadUrl, "expected https");
  expect_error(request_for("file:///etc/passwd"), ErrorCode::kNetBadUrl, "expected https");
  expect_error(request_for("ftp://127.0.0.1/x"), ErrorCode::kNetBadUrl, "expected https");
  expect_error(request_for("nonsense"), ErrorCode::kNetBadUrl);
  expect_error(request_for(""), ErrorCode::kNetBadUrl);
  for (const char* location : {"http://example.org/", "file:///etc/passwd", "ftp://127.0.0.1/"}) {
    LoopbackServer server(
        [&](const ServedRequest&) { return Answer{.status = 302, .headers = {std::string("Location: ") + location}}; });
    expect_error(request_for(server.url()), ErrorCode::kNetBadUrl, "as a redirect from");
  }
}

TEST(HttpClient, AClosedPortIsUnreachable) {
  std::string url;
  {
    LoopbackServer server([](const ServedRequest&) { return Answer{}; });
    url = server.url();
  }
  expect_error(request_for(url), ErrorCode::kNetUnreachable);
}

TEST(HttpClient, PlainHttpBehindHttpsIsATlsError) {
  LoopbackServer server([](const ServedRequest&) { return Answer{}; });
  std::string url = server.url();
  url.replace(0, 4, "https");
  auto request = request_for(url);
  request.stall_timeout = std::chrono::milliseconds(500);
  // The server waits for the end of a header that never comes, or sees the end of the connection.
  const auto text = http_get_text(request);
  ASSERT_FALSE(text.ok());
  EXPECT_TRUE(text.error().code == ErrorCode::kNetTls || text.error().code == ErrorCode::kNetTimeout)
      << text.error().message;
}

TEST(HttpClient, MessagesShowNoSecrets) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.status = 401}; });
  std::string url = server.url("/x?token=hidden");
  url.insert(7, "user:hidden@");
  const auto text = http_get_text(request_for(url));
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, Not(HasSubstr("hidden")));
  EXPECT_THAT(text.error().message, HasSubstr("/x answered with status 401"));
}

TEST(HttpClient, CanBeCancelled) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.body = "hello", .stall_after = 2}; });
  std::stop_source source;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    source.request_stop();
  });
  const auto text = http_get_text(request_for(server.url()), source.get_token());
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kCancelled);
}

TEST(HttpClient, ASinksErrorIsReturned) {
  LoopbackServer server([](const ServedRequest&) { return Answer{.body = "hello"}; });
  const Error full{ErrorCode::kDiskFull, "full"};
  const auto take = [](std::span<const std::byte>) -> Status { return {}; };
  const auto refuse = [&](const auto&) -> Status { return full; };
  EXPECT_EQ(http_get(request_for(server.url()), {}, refuse).error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(http_get(request_for(server.url()), refuse, take).error().code, ErrorCode::kDiskFull);
}

TEST(ResolveUrl, FollowsRelativeLinks) {
  EXPECT_EQ(*resolve_url("https://a/simple/x/", "../../p/x.whl#sha256=0"), "https://a/p/x.whl#sha256=0");
  EXPECT_EQ(*resolve_url("https://a/simple/x/", "https://b/x.whl"), "https://b/x.whl");
  EXPECT_EQ(resolve_url("nonsense", "x y").error().code, ErrorCode::kNetBadUrl);
}

}  // namespace
}  // namespace stenod::net
