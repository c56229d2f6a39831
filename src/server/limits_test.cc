// Clients that are slow, too many, or gone; and the end of the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <thread>

#include "server/testing/raw_client.h"
#include "server/testing/test_server.h"

namespace stenod::server {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::RawClient;
using testing::TestServer;
using ::testing::Contains;
using ::testing::HasSubstr;

/// Time-outs that a test can wait for, and that nothing else runs into.
ServerOptions impatient(std::chrono::milliseconds Limits::*limit) {
  ServerOptions options;
  options.limits.*limit = 300ms;
  return options;
}

TEST(Limits, AHeadMustArriveInTime) {
  TestServer server(impatient(&Limits::head_timeout));
  RawClient client(server.port());
  const auto start = steady_clock::now();
  client.send("GET / HTTP/1.1\r\nHost: loc");
  std::this_thread::sleep_for(200ms);
  client.send("alh");  // a byte now and then does not help
  EXPECT_EQ(client.read_response().status, 408);
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_GE(steady_clock::now() - start, 300ms);

  RawClient silent(server.port());
  EXPECT_TRUE(silent.is_closed_by_server());
}

TEST(Limits, AnIdleConnectionEnds) {
  TestServer server(impatient(&Limits::keep_alive_timeout));
  RawClient client(server.port());
  EXPECT_EQ(client.get("/hello/nobody").status, 200);
  EXPECT_EQ(client.read_response().status, 0) << "no 408: a client could take it for the answer to its next request";
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Limits, ABodyMustGoOnArriving) {
  TestServer server(impatient(&Limits::body_idle_timeout));
  RawClient client(server.port());
  client.send("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf of it");
  EXPECT_EQ(client.read_response().status, 408);
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_TRUE(server.journal.wait_for("handler gone"));
}

TEST(Limits, ABodyMustArriveAtALeastRate) {
  ServerOptions options = impatient(&Limits::body_idle_timeout);
  options.limits.min_body_bytes_per_s = 1'000'000;
  TestServer server(std::move(options));
  RawClient client(server.port());
  client.send("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 60 && client.send("x"); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(client.read_response().status, 408);
}

TEST(Limits, AClientMustReadItsAnswer) {
  ServerOptions options = impatient(&Limits::write_timeout);
  options.limits.max_unsent_response_bytes = 1'000'000'000;
  TestServer server(std::move(options));
  RawClient client(server.port(), {.receive_buffer_bytes = 4096});
  client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(server.journal.wait_for("events stopped"));
}

TEST(Limits, NoMoreThanSoMuchWaitsForASlowReader) {
  ServerOptions options;
  options.limits.max_unsent_response_bytes = 100'000;
  TestServer server(std::move(options));
  RawClient client(server.port(), {.receive_buffer_bytes = 4096});
  client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(server.journal.wait_for("events stopped"));
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.is_whole);
  EXPECT_LT(response.body.size(), 50'000'000u);
}

TEST(Limits, AClientThatLeavesStopsItsRequest) {
  TestServer server;
  for (const bool politely : {true, false}) {
    RawClient client(server.port());
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(server.journal.wait_for("slow"));
    if (!politely) client.reset();
  }
  EXPECT_TRUE(server.journal.wait_for("slow stopped"));
}

TEST(Limits, AClientThatOnlyEndsItsSendingStillGetsAnAnswer) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.end_sending();
  EXPECT_TRUE(server.journal.wait_for("slow stopped"));
  EXPECT_EQ(client.read_response().body, "slow");
}

TEST(Limits, OnlySoMuchIsReadAheadOfAnAnswer) {
  TestServer server;
  RawClient client(server.port(), {.timeout = 500ms});
  client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(client.send(std::string(100'000'000, 'x')));
}

TEST(Limits, AClientThatNeverClosesIsLetGo) {
  ServerOptions options;
  options.limits.linger_timeout = 100ms;
  TestServer server(std::move(options));
  RawClient client(server.port());
  EXPECT_EQ(client.get("/hello/nobody", "Connection: close\r\n").status, 200);
  const auto is_gone = [&] { return server.metrics.text().find("stenod_connections 0\n") != std::string::npos; };
  for (const auto end = steady_clock::now() + 10s; !is_gone() && steady_clock::now() < end;) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(is_gone());
}

TEST(Limits, AClientHasSoManyConnections) {
  ServerOptions options;
  options.limits.max_connections_per_client = 3;
  TestServer server(std::move(options));
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port());
    EXPECT_EQ(clients.back().get("/hello/nobody").status, 200);
  }
  RawClient fourth(server.port());
  const auto response = fourth.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.field("Retry-After"), "");
  EXPECT_THAT(response.body, HasSubstr("too_many_connections"));
  EXPECT_TRUE(fourth.is_closed_by_server());

  EXPECT_EQ(RawClient(server.port(), {.source = "127.0.0.2"}).get("/hello/nobody").status, 200);
  clients.pop_back();
  int status = 503;
  for (const auto end = steady_clock::now() + 10s; status == 503 && steady_clock::now() < end;) {
    status = RawClient(server.port()).get("/hello/nobody").status;
  }
  EXPECT_EQ(status, 200) << "the place is free again";
  EXPECT_THAT(server.metrics.text(), HasSubstr("stenod_connections_refused_total"));
}

TEST(Limits, ATrustedProxyHasMoreAndZeroIsNoLimit) {
  for (const bool is_proxy : {true, false}) {
    ServerOptions options;
    options.limits.max_connections_per_client = is_proxy ? 1 : 0;
    if (is_proxy) options.trusted_proxies = {"127.0.0.1"};
    TestServer server(std::move(options));
    std::vector<RawClient> clients;
    for (int i = 0; i < 10; ++i) {
      clients.emplace_back(server.port());
      EXPECT_EQ(clients.back().get("/hello/nobody").status, 200);
    }
  }
}

/// Raises the number of files that the process may have open; the test's clients need as many as the server.
void allow_open_files(rlim_t number) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(number, limit.rlim_max));
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(Limits, AFloodLeavesPlacesForNobodyElseButHarmsNothing) {
  allow_open_files(4096);
  ServerOptions options;
  options.limits.max_connections = 50;
  TestServer server(std::move(options));
  RawClient good(server.port());
  EXPECT_EQ(good.get("/hello/nobody").status, 200);
  std::vector<RawClient> flood;
  for (int i = 0; i < 500; ++i) flood.emplace_back(server.port(), RawClient::Options{.timeout = 2s});
  for (int i = 0; i < 100; ++i) ASSERT_EQ(good.get("/hello/nobody").status, 200);
  int num_served = 0;
  for (RawClient& client : flood) num_served += client.get("/hello/nobody").status == 200 ? 1 : 0;
  EXPECT_EQ(num_served, 49);
  flood.clear();
  int status = 0;
  for (const auto end = steady_clock::now() + 10s; status != 200 && steady_clock::now() < end;) {
    status = RawClient(server.port()).get("/hello/nobody").status;
  }
  EXPECT_EQ(status, 200);
}

TEST(Limits, ServesAgainWhenFilesAreFreeAgain) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "the undefined behaviour sanitizer opens files to look at memory, and takes what it can't see for wrong";
#endif
  TestServer server;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest_free = dup(0);
  close(lowest_free);
  rlimit scarce = before;
  scarce.rlim_cur = static_cast<rlim_t>(lowest_free) + 1;  // for the client's end alone
  setrlimit(RLIMIT_NOFILE, &scarce);
  RawClient client(server.port());
  std::this_thread::sleep_for(250ms);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(client.is_connected());
  EXPECT_EQ(client.get("/hello/nobody").status, 200);
}

TEST(Limits, ServesFiveHundredAtOnce) {
  allow_open_files(4096);
  TestServer server;
  std::vector<RawClient> clients;
  for (int i = 0; i < 500; ++i) {
    clients.emplace_back(server.port(), RawClient::Options{.source = i % 2 == 0 ? "127.0.0.1" : "127.0.0.2"});
    if (i % 2 == 0) {
      ASSERT_EQ(clients.back().upgrade("/ws/echo").status, 101);
    }
  }
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); i += 2) clients[i].send_frame(RawClient::kText, std::to_string(i));
    for (std::size_t i = 1; i < clients.size(); i += 2) ASSERT_EQ(clients[i].get("/hello/nobody").status, 200);
    for (std::size_t i = 0; i < clients.size(); i += 2) ASSERT_EQ(clients[i].read_message().payload, std::to_string(i));
  }
}

// Shutting down

TEST(Shutdown, EndsIdleConnectionsAndFinishesRequests) {
  TestServer server;
  RawClient idle(server.port());
  idle.get("/hello/nobody");
  RawClient busy(server.port());
  busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(server.journal.wait_for("slow"));
  const auto start = steady_clock::now();
  std::thread stopping([&] { server.stop_within(20s); });
  EXPECT_TRUE(idle.is_closed_by_server());
  EXPECT_FALSE(RawClient(server.port()).is_connected());
  server.release();
  const auto response = busy.read_response();
  EXPECT_EQ(response.body, "slow");
  EXPECT_EQ(response.field("Connection"), "close");
  EXPECT_TRUE(busy.is_closed_by_server());
  stopping.join();  // does not wait for clients that keep their end open
  EXPECT_LT(steady_clock::now() - start, 4s);
  EXPECT_THAT(server.journal.entries(), Contains("slow answers"));
}

TEST(Shutdown, StopsRequestsBeforeTheDeadline) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(server.journal.wait_for("slow"));
  server.stop_within(1s);
  EXPECT_THAT(server.journal.entries(), Contains("slow stopped"));
  EXPECT_EQ(client.read_response().body, "slow");
}

TEST(Shutdown, CutsWhatDoesNotEnd) {
  TestServer server;
  RawClient body(server.port());
  body.send("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf of it");
  RawClient reader(server.port(), {.receive_buffer_bytes = 4096});
  reader.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  const auto start = steady_clock::now();
  server.stop_within(300ms);
  EXPECT_LT(steady_clock::now() - start, 10s);
  EXPECT_TRUE(body.is_closed_by_server());
}

TEST(Shutdown, WithoutEverHavingStartedIsFine) {
  ThreadPool pool(1);
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  const auto server = Server::create(std::move(options), {}, {}, pool, pool);
  ASSERT_TRUE(server.ok());
  EXPECT_NE((*server)->port(), 0);
}

TEST(Shutdown, RepliesMayOutliveTheServer) {
  std::shared_ptr<api::HttpReply> kept;
  ThreadPool pool(1);
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  api::Route route = api::simple_route("GET", "/", api::Route::Access::kPublic, nullptr);
  struct Keeper : api::RequestHandler {
    explicit Keeper(std::shared_ptr<api::HttpReply>& to) : kept_to(to) {}
    Status take(std::span<const std::byte>) override { return {}; }
    void complete(std::shared_ptr<api::HttpReply> reply) override { kept_to = std::move(reply); }
    std::shared_ptr<api::HttpReply>& kept_to;
  };
  route.open = [&](const api::HttpRequest&) -> Result<std::unique_ptr<api::RequestHandler>> {
    return std::unique_ptr<api::RequestHandler>(std::make_unique<Keeper>(kept));
  };
  auto server = Server::create(std::move(options), {route}, {}, pool, pool);
  ASSERT_TRUE(server.ok());
  (*server)->start();
  RawClient client((*server)->port(), {.timeout = 100ms});
  EXPECT_EQ(client.get("/").status, 0);
  server->reset();
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(kept->stop().stop_requested());
  kept->begin({});
  EXPECT_FALSE(kept->write("x"));
  kept.reset();
}

}  // namespace
}  // namespace stenod::server
