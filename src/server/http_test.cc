// HTTP over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "server/testing/raw_client.h"
#include "server/testing/test_server.h"

namespace stenod::server {
namespace {

using namespace std::chrono_literals;
using testing::RawClient;
using testing::TestServer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_code(const RawClient::Response& response) {
  const auto body = parse_json(response.body);
  return body ? std::string(body->at("error").at("code").as_string()) : "not JSON: " + response.body;
}

TEST(Http, KeepsAConnectionForManyRequests) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 100; ++i) {
    const auto response = client.get("/hello/you" + std::to_string(i));
    ASSERT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "you" + std::to_string(i) + " from 127.0.0.1");
    EXPECT_EQ(response.field("Content-Type"), "text/plain");
    EXPECT_EQ(response.field("X-Content-Type-Options"), "nosniff");
    EXPECT_THAT(std::string(response.field("Date")), HasSubstr("GMT"));
  }
}

TEST(Http, EchoesABody) {
  TestServer server;
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.read_response().body, "hello");
  EXPECT_EQ(error_code(client.get("/nothing")), "not_found");
  EXPECT_EQ(client.upgrade("/ws/echo").status, 101);
  client.send_frame(RawClient::kText, "hi");
  EXPECT_EQ(client.read_message().payload, "hi");
}

}  // namespace
}  // namespace stenod::server
