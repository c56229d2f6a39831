#include "api/token_route.h"

#include <gtest/gtest.h>

#include "access/testing/access_folder.h"
#include "base/json.h"

namespace stenod::api {
namespace {

const access::TimePoint kNow{std::chrono::seconds(1800000000)};

class TokenRouteTest : public ::testing::Test {
 protected:
  TokenRouteTest() {
    const std::string key = folder_.create_key({"backend"}, kNow).text;
    access::Options options;
    options.folder = folder_.path();
    options.clock = [] { return kNow; };
    access_ = *access::Access::open(std::move(options));
    principal_ = *access_->authenticate(key, "");
  }

  /// The answer to `body`, which comes byte by byte.
  HttpResponse post(std::string_view body) { return post(body, principal_); }
  HttpResponse post(std::string_view body, const access::Principal& principal) {
    struct Reply : HttpReply {
      void send(HttpResponse response) override { sent = std::move(response); }
      void begin(HttpResponse) override {}
      bool write(std::string) override { return false; }
      void finish() override {}
      std::stop_token stop() const override { return {}; }
      HttpResponse sent;
    };
    HttpRequest request;
    request.principal = principal;
    auto handler = *token_route(*access_).open(request);
    for (const char& c : body) {
      if (const Status status = handler->take(std::as_bytes(std::span(&c, 1))); !status) {
        return error_response(status.error());
      }
    }
    const auto reply = std::make_shared<Reply>();
    handler->complete(reply);
    return std::move(reply->sent);
  }
  void expect_error(std::string_view body, int status, std::string_view code, std::string_view param) {
    const HttpResponse response = post(body);
    EXPECT_EQ(response.status, status) << body;
    const auto error = parse_json(response.body)->at("error").as_object();
    EXPECT_EQ(std::string_view(error.at("code").as_string()), code) << body;
    EXPECT_EQ(error.contains("param") ? error.at("param").as_string() : "", param) << body;
  }

  access::AccessFolder folder_;
  std::unique_ptr<access::Access> access_;
  access::Principal principal_;
};

TEST_F(TokenRouteTest, IsForHoldersOfAKey) {
  const Route route = token_route(*access_);
  EXPECT_EQ(route.method, "POST");
  EXPECT_EQ(route.pattern, "/tokens");
  EXPECT_EQ(route.access, Route::Access::kKey);
}

TEST_F(TokenRouteTest, AnswersATokenThatIsTaken) {
  const HttpResponse response = post(R"({"ttl_s": 60, "streams": 2})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(find_field(response.headers, "Cache-Control"), "no-store");
  const json::value answer = *parse_json(response.body);
  EXPECT_EQ(answer.at("expires_at"), "2027-01-15T08:01:00Z");
  const auto browser = access_->authenticate(json::value_to<std::string>(answer.at("token")), "");
  ASSERT_TRUE(browser.ok());
  EXPECT_EQ(browser->key_id, principal_.key_id);
  EXPECT_EQ(browser->token_streams, 2);
  EXPECT_EQ(post(json::serialize(answer), *browser).status, 400);
  EXPECT_EQ(post("", *browser).status, 403) << "a token can't mint others";
}

TEST_F(TokenRouteTest, WhatIsNotSaidHasDefaults) {
  for (const char* body : {"", "{}", R"({"streams": 0})"}) {
    const HttpResponse response = post(body);
    ASSERT_EQ(response.status, 200) << body;
    EXPECT_EQ(parse_json(response.body)->at("expires_at"), "2027-01-15T08:10:00Z");
  }
}

TEST_F(TokenRouteTest, WrongRequests) {
  expect_error("{", 400, "json_malformed", "");
  expect_error("7", 400, "invalid_argument", "");
  expect_error("[]", 400, "invalid_argument", "");
  expect_error(R"({"ttl": 60})", 400, "invalid_argument", "ttl");
  for (const char* value :
       {"0", "-5", "3601", "9223372036854775807", "18446744073709551615", "1e3", "60.5", "\"60\"", "null", "true"}) {
    expect_error(std::string("{\"ttl_s\": ") + value + "}", 400, "invalid_argument", "ttl_s");
  }
  for (const char* value : {"-1", "1000001", "4294967297", "1.5", "\"2\""}) {
    expect_error(std::string("{\"streams\": ") + value + "}", 400, "invalid_argument", "streams");
  }
  expect_error(std::string(5000, ' '), 413, "payload_too_large", "");
}

}  // namespace
}  // namespace stenod::api
