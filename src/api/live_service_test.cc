#include "api/live_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "access/testing/access_folder.h"
#include "api/live_routes.h"
#include "api/testing/live_client.h"
#include "api/testing/recorded_reply.h"
#include "base/json.h"
#include "live/testing/spoken_numbers.h"

namespace stenod::api {
namespace {

using testing::LiveClient;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LiveServiceTest : public ::testing::Test {
 protected:
  LiveService& service() {
    if (!service_) service_ = std::make_unique<LiveService>(model_.model(), pacer_, access_.get(), options_);
    return *service_;
  }
  std::unique_ptr<LiveClient> connect(const std::string& address = "192.0.2.1", Fields query = {}) {
    HttpRequest request;
    request.query = std::move(query);
    request.client_address = address;
    request.principal = principal_;
    return std::make_unique<LiveClient>(service(), request);
  }
  /// The error's name, or "ok".
  static std::string refusal(const LiveClient& client) {
    return client.refusal ? std::string(error_name(client.refusal->code)) : "ok";
  }
  /// Keys are in use, and the clients have one with these limits.
  void use_key(access::Limits limits, int max_streams_per_client = 0) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const std::string key = folder_.create_key({"Call centre", false, limits}, now).text;
    access::Options options;
    options.folder = folder_.path();
    options.max_streams_per_client = max_streams_per_client;
    access_ = *access::Access::open(std::move(options));
    principal_ = *access_->authenticate(key, "");
  }

  live::testing::NumberModel model_;
  LiveServiceOptions options_;
  std::shared_ptr<live::Pacer> pacer_;
  access::AccessFolder folder_;
  std::unique_ptr<access::Access> access_;
  access::Principal principal_;
  std::unique_ptr<LiveService> service_;
};

TEST_F(LiveServiceTest, TakesAsManySessionsAsAreAllowed) {
  options_.max_sessions = 2;
  const auto first = connect();
  auto second = connect();
  EXPECT_EQ(refusal(*first), "ok");
  EXPECT_EQ(refusal(*second), "ok");
  const auto third = connect();
  ASSERT_EQ(refusal(*third), "overloaded");
  EXPECT_THAT(third->refusal->message, HasSubstr("2 sessions"));
  EXPECT_GT(third->refusal->retry_after.count(), 0);
  EXPECT_EQ(service().counters().refused.at("overloaded"), 1u);
  EXPECT_EQ(service().counters().opened, 2u);
  second->leave();
  EXPECT_EQ(refusal(*connect()), "ok");
  EXPECT_EQ(service().sessions().size(), 1u);
}

TEST_F(LiveServiceTest, ConnectionsThatComeAtOnceShareThePlaces) {
  options_.max_sessions = 3;
  ThreadPool pool(1);
  const Strand strand(pool);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> num_ready = 0;
    std::vector<std::unique_ptr<WebSocketHandler>> handlers(6);
    std::vector<std::thread> threads;
    for (auto& handler : handlers) {
      threads.emplace_back([&] {
        ++num_ready;
        while (num_ready < static_cast<int>(handlers.size())) std::this_thread::yield();
        if (auto opened = service().open({}, strand)) handler = std::move(*opened);
      });
      if (threads.size() == 1) service();
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::count(handlers.begin(), handlers.end(), nullptr), 3);
  }
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(LiveServiceTest, TakesNoneWhileTheEngineCanCarryNoMore) {
  double busy_s = 0;
  pacer_ = std::make_shared<live::Pacer>([&] { return live::LiveWork{0, busy_s}; });
  auto now = live::Pacer::Clock::now() - std::chrono::seconds(20);
  EXPECT_EQ(pacer_->stretch(now), 1);
  for (int i = 0; i < 78; ++i) {  // all the time, up to half a second ago
    busy_s += 0.25;
    pacer_->stretch(now += std::chrono::milliseconds(250));
  }
  busy_s += 1;
  const auto first = connect();
  EXPECT_EQ(refusal(*first), "ok") << "whoever is alone";
  const auto refused = connect();
  ASSERT_EQ(refusal(*refused), "overloaded");
  EXPECT_GT(refused->refusal->retry_after.count(), 0);
  EXPECT_EQ(service().counters().opened, 1u);
  for (int i = 0; i < 40; ++i) pacer_->stretch(now += std::chrono::milliseconds(250));
  EXPECT_EQ(refusal(*connect()), "ok");
}

TEST_F(LiveServiceTest, OfManyThatComeAtOnceTakesWhatIsExpectedToFit) {
  pacer_ = std::make_shared<live::Pacer>([] { return live::LiveWork(); }, 0.2);
  std::vector<decltype(connect())> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect());
    EXPECT_EQ(refusal(*clients.back()), "ok") << i;
  }
  EXPECT_EQ(refusal(*connect()), "overloaded");
  clients.pop_back();
  EXPECT_EQ(refusal(*connect()), "ok") << "who has left needs nothing";
}

TEST_F(LiveServiceTest, AStreamOfTheKeyIsTakenAndGivenBackOnce) {
  use_key({.streams = 2});
  auto first = connect();
  auto second = connect();
  EXPECT_EQ(refusal(*first), "ok");
  EXPECT_EQ(refusal(*second), "ok");
  EXPECT_EQ(refusal(*connect()), "too_many_streams");
  EXPECT_EQ(service().counters().refused.at("too_many_streams"), 1u);
  first->leave();
  first->leave();
  first.reset();
  const auto third = connect();
  EXPECT_EQ(refusal(*third), "ok");
  EXPECT_EQ(refusal(*connect()), "too_many_streams") << "one place was given back, not more";
  second.reset();
  EXPECT_EQ(refusal(*connect()), "ok");
  service_->sessions();
}

TEST_F(LiveServiceTest, AStreamIsGivenBackHoweverTheSessionEnds) {
  use_key({.streams = 1});
  for (int i = 0; i < 3; ++i) {
    auto client = connect("192.0.2.1", {{"task", "wrong"}});
    EXPECT_EQ(refusal(*client), "ok");
    EXPECT_TRUE(client->peer->closed);
    EXPECT_EQ(refusal(*connect()), "too_many_streams") << "while the connection is there";
    client.reset();
    client = connect();
    EXPECT_EQ(refusal(*client), "ok");
    client->send(std::string(R"({"type":"end"})"));
    EXPECT_TRUE(client->peer->closed);
    client.reset();
    client = connect();
    EXPECT_EQ(refusal(*client), "ok");
    client->shut_down(LiveClient::Clock::now());
  }
}

TEST_F(LiveServiceTest, WhoIsRefusedTakesNeitherAPlaceNorAStream) {
  options_.max_sessions = 1;
  use_key({.streams = 2}, 1);
  auto first = connect("192.0.2.1");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(refusal(*connect("192.0.2.2")), "overloaded");
  first.reset();
  options_.max_sessions = 2;
  service_.reset();
  first = connect("192.0.2.1");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(refusal(*connect("192.0.2.1")), "too_many_streams");
  const auto second = connect("192.0.2.2");
  EXPECT_EQ(refusal(*second), "ok") << "neither the key's second stream nor the second place were lost";
}

TEST_F(LiveServiceTest, OperatorsSeeTheSessions) {
  use_key({});
  const auto client = connect("192.0.2.7", {{"encoding", "s16le"}});
  std::vector<std::int16_t> samples;
  for (int i = 1; i <= 3; ++i) live::testing::say(samples, i);
  live::testing::pause(samples, 1);
  for (int i = 4; i <= 6; ++i) live::testing::say(samples, i);
  ASSERT_TRUE(client->send(samples));
  client->tick(LiveClient::Clock::now());

  const Route route = sessions_route(service());
  EXPECT_EQ(route.access, Route::Access::kAdmin);
  const HttpResponse response = testing::call(route, {}, "")->wait();
  EXPECT_EQ(response.status, 200);
  const json::value body = *parse_json(response.body);
  ASSERT_EQ(body.at("sessions").as_array().size(), 1u);
  const json::object& session = body.at("sessions").as_array()[0].as_object();
  EXPECT_EQ(session.at("session_id"), parse_json(client->peer->sent[0])->at("session_id"));
  EXPECT_EQ(session.at("client").as_string(), "192.0.2.7");
  EXPECT_EQ(session.at("key").as_string(), "Call centre");
  EXPECT_NEAR(session.at("audio_s").to_number<double>(), 3.4, 0.05);
  EXPECT_EQ(session.at("finals").as_int64(), 1);
  EXPECT_EQ(session.at("language").as_string(), "en");
  EXPECT_TRUE(session.at("speaking").as_bool());
  EXPECT_GE(session.at("open_s").to_number<double>(), 0);
}

TEST_F(LiveServiceTest, IsServedAtItsOwnPathAndAtTheRoot) {
  const auto routes = live_websocket_routes(service());
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].path, "/ws/transcribe");
  EXPECT_EQ(routes[1].path, "/");
  ThreadPool pool(1);
  for (const WebSocketRoute& route : routes) {
    EXPECT_EQ(route.access, Route::Access::kKey);
    EXPECT_TRUE(route.open({}, Strand(pool)));
  }
  EXPECT_EQ(service().counters().opened, 2u);
}

std::unique_ptr<access::Access> open_access(const access::AccessFolder& folder, int streams_per_client) {
  access::Options options;
  options.folder = folder.path();
  options.max_streams_per_client = streams_per_client;
  return std::move(*access::Access::open(std::move(options)));
}

HttpRequest a_request() {
  HttpRequest request;
  request.client_address = "192.0.2.1";
  return request;
}

TEST(LiveService, ChecksAsItOpensAndTakesNothing) {
  const access::AccessFolder folder;
  const auto access = open_access(folder, 2);
  LiveServiceOptions options;
  options.max_sessions = 3;
  LiveService service({}, nullptr, access.get(), options);
  ThreadPool pool(1);
  const Strand strand(pool);
  std::vector<std::unique_ptr<WebSocketHandler>> open;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 5; ++j) EXPECT_TRUE(service.check(a_request()).ok());
    open.push_back(std::move(*service.open(a_request(), strand)));
  }
  EXPECT_EQ(service.check(a_request()).error().code, ErrorCode::kTooManyStreams);
  EXPECT_TRUE(service.counters().refused.empty()) << "nobody was";

  HttpRequest other = a_request();
  other.client_address = "192.0.2.2";
  EXPECT_TRUE(service.check(other).ok());
  open.push_back(std::move(*service.open(other, strand)));
  const Status full = service.check(other);
  EXPECT_EQ(full.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(full.error().message, service.open(other, strand).error().message);
  EXPECT_EQ(http_status(full.error().code), 503);
  EXPECT_EQ(service.counters().opened, 3u);
  EXPECT_EQ(service.counters().refused.at("overloaded"), 1u);

  other.principal.key_id = "k7w2mq5d";
  open.clear();
  EXPECT_EQ(service.check(other).error().code, ErrorCode::kUnauthorized) << "of a key that is gone";
  EXPECT_TRUE(service.check(a_request()).ok());
}

TEST(LiveService, BothRoutesCheck) {
  LiveServiceOptions options;
  options.max_sessions = 0;
  LiveService service({}, nullptr, nullptr, options);
  for (const WebSocketRoute& route : live_websocket_routes(service)) {
    EXPECT_EQ(route.check(a_request()).error().code, ErrorCode::kOverloaded) << route.path;
  }
}

}  // namespace
}  // namespace stenod::api
