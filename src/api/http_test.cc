#include "api/http.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace stenod::api {
namespace {

TEST(Fields, NameMayBeInAnyCase) {
  const Fields fields{{"Content-Type", "a"}, {"content-type", "b"}, {"X", ""}};
  EXPECT_EQ(find_field(fields, "CONTENT-type"), "a");
  EXPECT_EQ(find_field(fields, "content"), "");
  EXPECT_EQ(find_field({}, "x"), "");
}

TEST(ErrorResponse, HasCodeMessageAndParam) {
  const HttpResponse response = error_response({ErrorCode::kInvalidArgument, "not a number: \"x\"", "beam_size"});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(
      *parse_json(response.body),
      (json::value{
          {"error", {{"code", "invalid_argument"}, {"message", "not a number: \"x\""}, {"param", "beam_size"}}}}));
}

TEST(ErrorResponse, IsValidUtf8WhateverTheClientSent) {
  EXPECT_TRUE(parse_json(error_response({ErrorCode::kBadRequest, "\xff\xc3", "\x80"}).body).ok());
}

TEST(ErrorResponse, TellsWhenToTryAgain) {
  for (const ErrorCode code : {ErrorCode::kOverloaded, ErrorCode::kShuttingDown, ErrorCode::kTooManyConnections}) {
    const HttpResponse response = error_response({code, "x"});
    EXPECT_EQ(response.status, 503);
    EXPECT_FALSE(find_field(response.headers, "Retry-After").empty());
  }
  EXPECT_TRUE(find_field(error_response({ErrorCode::kNotFound, "x"}).headers, "Retry-After").empty());
}

TEST(ErrorResponse, OfAccess) {
  const HttpResponse unauthorized = error_response({ErrorCode::kUnauthorized, "x"});
  EXPECT_EQ(unauthorized.status, 401);
  EXPECT_EQ(find_field(unauthorized.headers, "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(error_response({ErrorCode::kForbidden, "x"}).status, 403);
  for (const ErrorCode code : {ErrorCode::kTooManyStreams, ErrorCode::kQuotaExceeded, ErrorCode::kTooManyFailures}) {
    const HttpResponse response = error_response({code, "x", "", std::chrono::seconds(77)});
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(find_field(response.headers, "Retry-After"), "77");
  }
}

TEST(ErrorResponse, KeepsInnerFailuresToTheLog) {
  const HttpResponse response = error_response({ErrorCode::kIoError, "cannot open /secret/path", "/secret/path"});
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_NE(response.body.find("io_error"), std::string::npos);
}

TEST(SimpleRoute, AnswersWhenTheRequestIsComplete) {
  struct Reply : HttpReply {
    void send(HttpResponse response) override { sent = std::move(response); }
    void begin(HttpResponse) override {}
    bool write(std::string) override { return false; }
    void finish() override {}
    std::stop_token stop() const override { return {}; }
    HttpResponse sent;
  };
  const Route route = simple_route("GET", "/x", Route::Access::kPublic, [](const HttpRequest& request) {
    HttpResponse response;
    response.body = request.path;
    return response;
  });
  HttpRequest request;
  request.path = "/x";
  auto handler = route.open(request);
  ASSERT_TRUE(handler.ok());
  const auto reply = std::make_shared<Reply>();
  (*handler)->complete(reply);
  EXPECT_EQ(reply->sent.body, "/x");
}

}  // namespace
}  // namespace stenod::api
