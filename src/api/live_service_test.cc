#include "api/live_service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "access/testing/access_folder.h"
#include "api/live_routes.h"

namespace stenod::api {
namespace {

using access::AccessFolder;

std::unique_ptr<access::Access> open_access(const AccessFolder& folder, int streams_per_client) {
  access::Options options;
  options.folder = folder.path();
  options.max_streams_per_client = streams_per_client;
  return std::move(*access::Access::open(std::move(options)));
}

HttpRequest request() {
  HttpRequest request;
  request.client_address = "192.0.2.1";
  return request;
}

TEST(LiveService, ChecksAsItOpensAndTakesNothing) {
  const AccessFolder folder;
  const auto access = open_access(folder, 2);
  LiveServiceOptions options;
  options.max_sessions = 3;
  LiveService service({}, nullptr, access.get(), options);
  ThreadPool pool(1);
  const Strand strand(pool);
  std::vector<std::unique_ptr<WebSocketHandler>> open;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 5; ++j) EXPECT_TRUE(service.check(request()).ok());
    open.push_back(std::move(*service.open(request(), strand)));
  }
  EXPECT_EQ(service.check(request()).error().code, ErrorCode::kTooManyStreams);
  EXPECT_TRUE(service.counters().refused.empty()) << "nobody was";

  HttpRequest other = request();
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
  EXPECT_TRUE(service.check(request()).ok());
}

TEST(LiveService, BothRoutesCheck) {
  LiveServiceOptions options;
  options.max_sessions = 0;
  LiveService service({}, nullptr, nullptr, options);
  for (const WebSocketRoute& route : live_websocket_routes(service)) {
    EXPECT_EQ(route.check(request()).error().code, ErrorCode::kOverloaded) << route.path;
  }
}

}  // namespace
}  // namespace stenod::api
