// HTTP over real sockets: what good clients meet, and what bad ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "server/testing/raw_client.h"
#include "server/testing/test_server.h"

namespace stenod::server {
namespace {

using namespace std::chrono_literals;
using testing::RawClient;
using testing::TestServer;
using ::testing::HasSubstr;
using ::testing::Not;

std::string error_code(const RawClient::Response& response) {
  const auto body = parse_json(response.body);
  return body ? std::string(body->at("error").at("code").as_string()) : "not JSON: " + response.body;
}

std::string post(std::string_view path, std::string_view fields, std::string_view body = {}) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n" +
         std::string(body);
}

TEST(Http, KeepsAConnectionForManyRequests) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 100; ++i) {
    const auto response = client.get("/hello/you" + std::to_string(i));
    ASSERT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "you" + std::to_string(i) + " from 127.0.0.1");
  }
  client.send(post("/echo", "Content-Length: 5\r\n", "hello"));
  EXPECT_EQ(client.read_response().body, "hello");
  client.send(post("/echo", "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"));
  EXPECT_EQ(client.read_response().body, "hello");
  EXPECT_EQ(client.get("/hello/nobody", "Connection: close\r\n").field("Connection"), "close");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  RawClient client(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += "\r\nGET /hello/" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    requests += post("/echo", "Content-Length: 1000\r\n", std::string(1000, static_cast<char>('a' + i % 26)));
  }
  client.send(requests);
  client.end_sending();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.read_response().body, std::to_string(i) + " from 127.0.0.1");
    EXPECT_EQ(client.read_response().body, std::string(1000, static_cast<char>('a' + i % 26)));
  }
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, EveryAnswerHasTheFieldsThatBrowsersNeed) {
  TestServer server;
  RawClient client(server.port());
  for (const char* path : {"/hello/you", "/nothing"}) {
    const auto response = client.get(path);
    EXPECT_EQ(response.field("Server"), "stenod");
    EXPECT_EQ(response.field("Cache-Control"), "no-store");
    EXPECT_EQ(response.field("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(response.field("X-Frame-Options"), "DENY");
    EXPECT_THAT(std::string(response.field("Content-Security-Policy")), HasSubstr("default-src 'none'"));
    EXPECT_THAT(std::string(response.field("Date")),
                ::testing::MatchesRegex("(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9][0-9] [A-Z][a-z][a-z] "
                                        "20[0-9][0-9] [0-9:]+ GMT"));
  }
}

TEST(Http, HeadHasTheLengthOfGetAndNoBody) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    const auto response = client.get("/hello/nobody", "", "HEAD");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.field("Content-Length"), "6");
  }
  EXPECT_EQ(client.get("/three", "", "HEAD").status, 200);
  EXPECT_EQ(client.get("/hello/nobody").body, "nobody");
}

TEST(Http, SaysWhatAPathIsAndDoes) {
  TestServer server;
  RawClient client(server.port());
  EXPECT_EQ(error_code(client.get("/nothing")), "not_found");
  for (const char* method : {"POST", "DELETE", "TRACE", "get", "BREW"}) {
    const auto response = client.get("/hello/you", "", method);
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(error_code(response), "method_not_allowed");
    EXPECT_EQ(response.field("Allow"), "GET, HEAD, OPTIONS");
  }
  const auto options = client.get("/echo", "", "OPTIONS");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("Allow"), "POST, OPTIONS");
  EXPECT_EQ(options.field("Content-Length"), "");
  EXPECT_EQ(client.get("*", "", "OPTIONS").status, 204);
  EXPECT_EQ(client.get("/nothing", "", "OPTIONS").status, 404);
}

TEST(Http, SpeaksHttp10) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /three HTTP/1.0\r\n\r\n");
  const auto response = client.read_response();
  EXPECT_EQ(response.body, "one two three");
  EXPECT_EQ(response.field("Transfer-Encoding"), "");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, AnswersInPieces) {
  TestServer server;
  RawClient client(server.port());
  const auto response = client.get("/three");
  EXPECT_EQ(response.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(response.body, "one two three");
  EXPECT_EQ(client.get("/hello/nobody").body, "nobody");
}

TEST(Http, BadHandlersEndNothingButTheirRequest) {
  TestServer server;
  RawClient client(server.port());
  for (const char* path : {"/forgotten", "/throws", "/split"}) {
    const auto response = client.get(path);
    EXPECT_EQ(response.status, 500) << path;
    EXPECT_EQ(error_code(response), "internal");
    EXPECT_EQ(response.field("Set-Cookie"), "");
    EXPECT_THAT(response.body, Not(HasSubstr("purpose")));
  }
  EXPECT_EQ(error_code(client.get("/greedy")), "out_of_memory");
  EXPECT_EQ(client.get("/hello/nobody").body, "nobody");
  EXPECT_FALSE(client.get("/half").is_whole);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, MalformedRequestsAreAnsweredAndTheConnectionEnds) {
  TestServer server;
  for (const auto& [bytes, status] : std::vector<std::pair<std::string, int>>{
           {"GET / HTTP/1.1\nHost: localhost\n\n", 400},
           {"\x16\x03\x01\x02", 400},
           {"GET / HTTP/1.1\r\n\r\n", 400},
           {"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
           {post("/echo", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /secret HTTP/1.1\r\n"),
            400},
           {post("/echo", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
           {post("/echo", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400},
           {post("/echo", "Transfer-Encoding: chunked\r\n", "nonsense\r\n\r\n"), 400},
           {post("/echo", "Expect: a miracle\r\nContent-Length: 5\r\n", "hello"), 417},
           {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
       }) {
    RawClient client(server.port());
    client.send(bytes + "GET /hello/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto response = client.read_response();
    EXPECT_EQ(response.status, status) << bytes;
    EXPECT_EQ(response.field("Connection"), "close") << bytes;
    EXPECT_THAT(error_code(response), Not(HasSubstr("not JSON"))) << bytes;
    EXPECT_EQ(client.read_response().status, 0) << "a second answer to " << bytes;
    EXPECT_TRUE(client.is_closed_by_server());
  }
}

// Bodies that are too large

TEST(Http, TooLargeABodyIsRefusedByItsLength) {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/echo", "Content-Length: 100001\r\n"));
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(error_code(response), "payload_too_large");
  EXPECT_EQ(response.field("Connection"), "close");
}

TEST(Http, AClientThatSendsTooMuchAllTheSameSeesTheAnswer) {
  TestServer server;
  RawClient client(server.port());
  EXPECT_TRUE(client.send(post("/echo", "Content-Length: 50000000\r\n") + std::string(50'000'000, 'x')));
  EXPECT_EQ(client.read_response().status, 413);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, TooMuchIsNotReadForEver) {
  ServerOptions options;
  options.limits.max_linger_bytes = 1'000'000;
  TestServer server(std::move(options));
  RawClient client(server.port());
  EXPECT_FALSE(client.send(post("/echo", "Content-Length: 500000000\r\n") + std::string(100'000'000, 'x')));
}

TEST(Http, TooLargeABodyIsRefusedWhenItComesInChunks) {
  TestServer server;
  RawClient client(server.port());
  std::string body;
  for (int i = 0; i < 11; ++i) body += "2710\r\n" + std::string(10'000, 'x') + "\r\n";
  client.send(post("/echo", "Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n"));
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(error_code(response), "payload_too_large");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Http, ARouteWithoutBodyTakesNone) {
  TestServer server;
  for (const char* framing : {"Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"}) {
    RawClient client(server.port());
    client.send("GET /hello/you HTTP/1.1\r\nHost: localhost\r\n" + std::string(framing) + "\r\n1\r\nx\r\n0\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 413) << framing;
  }
  RawClient client(server.port());
  client.send("GET /hello/nobody HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_response().body, "nobody");
  EXPECT_EQ(client.get("/hello/nobody").body, "nobody");
}

TEST(Http, ExpectingClientsAreToldToGoOnOrNot) {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(client.read_response().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read_response().body, "hello");
  client.send(post("/nothing", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_TRUE(client.is_closed_by_server());

  RawClient large(server.port());
  large.send(post("/echo", "Expect: 100-continue\r\nContent-Length: 100001\r\n"));
  EXPECT_EQ(large.read_response().status, 413);
  EXPECT_TRUE(large.is_closed_by_server());
}

TEST(Http, LargeBodiesReachTheHandlerInPieces) {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/count", "Content-Length: 30000000\r\n") + std::string(30'000'000, 'x'));
  EXPECT_EQ(client.read_response().body, "30000000 bytes, the largest piece small");
  EXPECT_TRUE(server.journal.wait_for("handler gone"));
}

TEST(Http, AHandlerMayRefuseABodyInTheMiddle) {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/picky", "Content-Length: 30000000\r\n") + std::string(30'000'000, 'x'));
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_code(response), "invalid_argument");
  EXPECT_TRUE(client.is_closed_by_server());

  RawClient other(server.port());
  other.send(post("/picky", "Content-Length: 1\r\n", "x"));
  EXPECT_EQ(other.read_response().status, 400);
  EXPECT_EQ(other.get("/hello/nobody").body, "nobody") << "the body was whole, so the connection goes on";
}

TEST(Http, AClientThatVanishesInTheMiddleOfABodyLeavesNothingBehind) {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/count", "Content-Length: 30000000\r\n") + std::string(1'000'000, 'x'));
  client.reset();
  EXPECT_TRUE(server.journal.wait_for("handler gone"));
}

// Who may do what

TEST(Http, AccessIsChecked) {
  ServerOptions options;
  options.authorise = [](api::HttpRequest& request, api::Route::Access access, std::string_view credential) -> Status {
    if (access == api::Route::Access::kPublic) return {};
    if (credential != "sesame") return Error{ErrorCode::kNotFound, "who are you?"};
    request.principal.name = "Ali";
    return {};
  };
  TestServer server(std::move(options));
  RawClient client(server.port());
  EXPECT_EQ(client.get("/hello/nobody").status, 200);
  EXPECT_EQ(error_code(client.get("/secret")), "not_found");
  EXPECT_EQ(error_code(client.get("/secret", "Authorization: Bearer wrong\r\n")), "not_found");
  EXPECT_EQ(client.get("/secret", "Authorization: Bearer sesame\r\n").body, "for Ali");
  EXPECT_EQ(client.get("/secret", "X-API-Key: sesame\r\n").body, "for Ali");
}

TEST(Http, PagesOfOtherOriginsNeedLeave) {
  ServerOptions options;
  options.allowed_origins = {"https://page.example"};
  TestServer server(std::move(options));
  RawClient client(server.port());
  const auto allowed = client.get("/hello/nobody", "Origin: https://page.example\r\n");
  EXPECT_EQ(allowed.field("Access-Control-Allow-Origin"), "https://page.example");
  EXPECT_EQ(allowed.field("Vary"), "Origin");
  const auto preflight = client.get("/echo", "Origin: https://page.example\r\n", "OPTIONS");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.field("Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_THAT(std::string(preflight.field("Access-Control-Allow-Headers")), HasSubstr("Authorization"));

  const auto read = client.get("/hello/nobody", "Origin: https://evil.example\r\n");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.field("Access-Control-Allow-Origin"), "") << "so the browser does not show it to the page";
  EXPECT_EQ(error_code(client.get("/echo", "Origin: https://evil.example\r\n", "OPTIONS")), "origin_not_allowed");
  EXPECT_EQ(error_code(client.get("/echo", "Origin: null\r\n", "POST")), "origin_not_allowed");
  EXPECT_EQ(client.get("/hello/nobody", "Origin: http://localhost\r\n", "POST").status, 405) << "the server's own";
}

TEST(Http, ForeignNamesAreNotAnsweredTo) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /hello/nobody HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 421);
  EXPECT_EQ(error_code(response), "host_not_allowed");
  client.send("GET http://evil.example/hello/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 421);
}

// However the loopback address is written: it is what lets anybody in without a key.
TEST(Http, ServersOfOneMachineDoNotAnswerToForeignNames) {
  for (const char* listen : {"127.0.0.1:0", "localhost:0", "[::ffff:127.0.0.1]:0"}) {
    ServerOptions options;
    options.listen = listen;
    TestServer server(std::move(options));
    RawClient client(server.port());
    client.send("GET /hello/nobody HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 421) << listen;
  }
}

TEST(Http, TrustedProxiesSayForWhomTheyAsk) {
  ServerOptions options;
  options.trusted_proxies = {"127.0.0.0/8"};
  TestServer server(std::move(options));
  EXPECT_EQ(RawClient(server.port()).get("/hello/you", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n").body,
            "you from 1.2.3.4");
  TestServer direct;
  EXPECT_EQ(RawClient(direct.port()).get("/hello/you", "X-Forwarded-For: 1.2.3.4\r\n").body, "you from 127.0.0.1");
}

TEST(Http, UploadsThatWaitForTheDiskHoldUpNobodyElse) {
  TestServer server;
  std::vector<RawClient> uploading;
  for (int i = 0; i < 3; ++i) {
    uploading.emplace_back(server.port());
    uploading.back().send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\ntalk");
  }
  EXPECT_TRUE(server.journal.wait_for("upload waits"));
  EXPECT_EQ(RawClient(server.port()).get("/hello/nobody").body, "nobody");
  RawClient live(server.port());
  EXPECT_EQ(live.upgrade("/ws/echo").status, 101);
  live.send_frame(RawClient::kText, "audio");
  EXPECT_EQ(live.read_message().payload, "audio");
  server.release();
  for (RawClient& client : uploading) EXPECT_EQ(client.read_response().body, "taken");
  EXPECT_EQ(uploading[0].get("/hello/nobody").body, "nobody") << "on the same connection";
}

TEST(Http, WhileItStartsItSaysSo) {
  ThreadPool pool(1);
  const auto route = [](const char* pattern) {
    return api::simple_route("GET", pattern, api::Route::Access::kPublic,
                             [](const api::HttpRequest&) { return api::HttpResponse(); });
  };
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.more_routes_come = true;
  const auto server = Server::create(std::move(options), {route("/healthz"), route("/")}, {}, pool, pool);
  ASSERT_TRUE(server);
  (*server)->start();
  RawClient client((*server)->port());
  EXPECT_EQ(client.get("/healthz").status, 200);
  EXPECT_EQ(client.get("/").status, 200);
  for (const auto& response : {client.get("/late"), client.upgrade("/ws"), RawClient((*server)->port()).upgrade("/"),
                               RawClient((*server)->port()).get("/late", "Content-Length: 3\r\n", "POST")}) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(error_code(response), "not_ready");
    EXPECT_NE(response.field("Retry-After"), "");
  }
  EXPECT_TRUE((*server)->add_routes({route("/late")}, {}));
  EXPECT_FALSE((*server)->add_routes({route("/later")}, {}));
  EXPECT_EQ(client.get("/late").status, 200);
  EXPECT_EQ(client.get("/healthz").status, 200);
  EXPECT_EQ(client.get("/nothing").status, 404);
}

TEST(Http, WrongOptionsAreErrors) {
  ThreadPool pool(1);
  const auto code = [&](auto change) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    change(options);
    const auto server = Server::create(std::move(options), {}, {}, pool, pool);
    return server.ok() ? std::string("ok") : std::string(error_name(server.error().code)) + " " + server.error().param;
  };
  EXPECT_EQ(code([](ServerOptions&) {}), "ok");
  EXPECT_EQ(code([](ServerOptions& options) { options.listen = "[::1]:0"; }), "ok");
  EXPECT_EQ(code([](ServerOptions& options) { options.listen = "*:0"; }), "ok");
  EXPECT_EQ(code([](ServerOptions& options) { options.listen = "localhost:0"; }), "ok");
  for (const char* listen :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "192.0.2.1:0"}) {
    EXPECT_EQ(code([&](ServerOptions& options) { options.listen = listen; }), "listen_failed listen") << listen;
  }
  EXPECT_EQ(code([](ServerOptions& options) { options.trusted_proxies = {"x"}; }), "invalid_argument trusted_proxies");
  EXPECT_EQ(code([](ServerOptions& options) { options.allowed_origins = {"x"}; }), "invalid_argument allowed_origins");
  EXPECT_EQ(code([](ServerOptions& options) { options.tls_key = "/x"; }), "invalid_argument tls_certificate");
  EXPECT_EQ(code([](ServerOptions& options) { options.tls_certificate = "/x"; }), "invalid_argument tls_key");

  TestServer taken;
  EXPECT_EQ(code([&](ServerOptions& options) { options.listen = "127.0.0.1:" + std::to_string(taken.port()); }),
            "listen_failed listen");
}

TEST(Http, RequestsAreCounted) {
  TestServer server;
  {
    RawClient client(server.port());
    client.get("/hello/you");
    client.get("/nothing/" + std::string(100, 'x'));
    EXPECT_THAT(server.metrics.text(), HasSubstr("stenod_connections 1\n"));
  }
  server.stop_within(5s);
  const std::string text = server.metrics.text();
  EXPECT_THAT(text, HasSubstr("stenod_http_requests_total{route=\"/hello/{name}\",status=\"2xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("stenod_http_requests_total{route=\"none\",status=\"4xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("stenod_http_request_seconds_count 2\n"));
  EXPECT_THAT(text, HasSubstr("stenod_connections 0\n"));
}

}  // namespace
}  // namespace stenod::server
