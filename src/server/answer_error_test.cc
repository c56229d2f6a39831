// Whoever finds an error of a route, it is answered in the route's own form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/thread_pool.h"
#include "server/server.h"
#include "server/testing/raw_client.h"

namespace stenod::server {
namespace {

using testing::RawClient;

class Handler : public api::RequestHandler {
 public:
  Status take(std::span<const std::byte>) override { return Error{ErrorCode::kAudioCorrupt, "no sound", ""}; }
  void complete(std::shared_ptr<api::HttpReply> reply) override { reply->send({}); }
};

api::HttpResponse own_form(const Error& error) {
  api::HttpResponse response = api::error_response(error);
  response.body = "own " + std::string(error_name(error.code));
  return response;
}

TEST(AnswerError, IsTheRoutes) {
  api::Route route;
  route.method = "POST";
  route.pattern = "/own";
  route.max_body_bytes = 10;
  route.answer_error = own_form;
  route.open = [](const api::HttpRequest& request) -> Result<std::unique_ptr<api::RequestHandler>> {
    if (!request.query.empty()) return Error{ErrorCode::kUnknownParameter, "unknown", "x"};
    return std::unique_ptr<api::RequestHandler>(std::make_unique<Handler>());
  };
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.authorise = [](api::HttpRequest&, api::Route::Access, std::string_view credential) -> Status {
    if (credential == "wrong") return Error{ErrorCode::kOriginNotAllowed, "no", ""};
    return {};
  };
  ThreadPool pool(2);
  auto server = Server::create(std::move(options), {route}, {}, pool, pool);
  ASSERT_TRUE(server) << server.error().message;
  (*server)->start();
  const auto answer = [&](const std::string& path, const std::string& fields, const std::string& body) {
    RawClient client((*server)->port());
    client.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n" + body);
    return client.read_response().body;
  };
  EXPECT_EQ(answer("/own?x=1", "Content-Length: 0\r\n", ""), "own unknown_parameter");
  EXPECT_EQ(answer("/own?x=1", "Content-Length: 1\r\n", "x"), "own unknown_parameter");
  EXPECT_EQ(answer("/own", "Content-Length: 3\r\n", "abc"), "own audio_corrupt");
  EXPECT_EQ(answer("/own", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"), "own audio_corrupt");
  EXPECT_EQ(answer("/own", "Content-Length: 11\r\n", "12345678901"), "own payload_too_large");
  EXPECT_EQ(answer("/own", "Content-Length: 0\r\nAuthorization: Bearer wrong\r\n", ""), "own origin_not_allowed");
  EXPECT_THAT(answer("/other", "Content-Length: 0\r\n", ""), ::testing::HasSubstr("{\"error\":"));
}

}  // namespace
}  // namespace stenod::server
