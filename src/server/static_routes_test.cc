#include "server/static_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/health_routes.h"

namespace stenod::server {
namespace {

using ::testing::HasSubstr;

/// What a route answers.
api::HttpResponse answer(const std::vector<api::Route>& routes, const std::string& pattern, api::Fields headers = {}) {
  struct Reply : api::HttpReply {
    void send(api::HttpResponse response) override { sent = std::move(response); }
    void begin(api::HttpResponse) override {}
    bool write(std::string) override { return false; }
    void finish() override {}
    std::stop_token stop() const override { return {}; }
    api::HttpResponse sent;
  };
  const auto reply = std::make_shared<Reply>();
  reply->sent.status = 404;
  for (const api::Route& route : routes) {
    if (route.method != "GET" || route.pattern != pattern) continue;
    EXPECT_EQ(route.access, api::Route::Access::kPublic);
    api::HttpRequest request;
    request.headers = std::move(headers);
    auto handler = route.open(request);
    EXPECT_TRUE(handler.ok());
    if (handler) (*handler)->complete(reply);
    break;
  }
  return reply->sent;
}

TEST(StaticRoutes, ServeFilesWithTheirTypesAndAStrictPolicy) {
  const EmbeddedFile files[] = {{"index.html", "<html>"}, {"app.js", "x\0y"}, {"icon.svg", ""}, {"x.bin", "?"}};
  const auto routes = static_routes(files);
  EXPECT_EQ(answer(routes, "/").body, "<html>");
  EXPECT_EQ(answer(routes, "/").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(answer(routes, "/app.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(answer(routes, "/icon.svg").content_type, "image/svg+xml");
  EXPECT_EQ(answer(routes, "/x.bin").content_type, "application/octet-stream");
  EXPECT_EQ(answer(routes, "/other").status, 404);
  const auto page = answer(routes, "/index.html");
  const std::string policy(api::find_field(page.headers, "Content-Security-Policy"));
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("script-src 'self'"));
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
}

TEST(StaticRoutes, UnchangedFilesAreNotSentAgain) {
  const EmbeddedFile files[] = {{"a.css", "a"}, {"b.css", "b"}};
  const auto routes = static_routes(files);
  const std::string etag(api::find_field(answer(routes, "/a.css").headers, "ETag"));
  EXPECT_NE(etag, api::find_field(answer(routes, "/b.css").headers, "ETag"));
  const auto again = answer(routes, "/a.css", {{"If-None-Match", "\"x\", " + etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(api::find_field(again.headers, "ETag"), etag);
  EXPECT_EQ(answer(routes, "/a.css", {{"If-None-Match", "\"x\""}}).status, 200);
}

TEST(HealthRoutes, SayWhatTheServerIsAndCan) {
  MetricRegistry metrics;
  metrics.gauge("stenod_level", "How high.").set(1);
  bool is_ready = false;
  HealthOptions options;
  options.version = {{"version", "1.2.3"}};
  options.metrics = &metrics;
  options.ready = [&]() -> Status {
    if (!is_ready) return Error{ErrorCode::kNotReady, "the model is being loaded"};
    return {};
  };
  const auto routes = health_routes(std::move(options));
  EXPECT_EQ(answer(routes, "/healthz").status, 200);
  EXPECT_EQ(answer(routes, "/version").body, "{\"version\":\"1.2.3\"}\n");
  const auto loading = answer(routes, "/readyz");
  EXPECT_EQ(loading.status, 503);
  EXPECT_THAT(loading.body, HasSubstr("the model is being loaded"));
  is_ready = true;
  EXPECT_EQ(answer(routes, "/readyz").status, 200);
  EXPECT_THAT(answer(routes, "/metrics").body, HasSubstr("stenod_level 1\n"));
  EXPECT_THAT(answer(routes, "/metrics").content_type, HasSubstr("version=0.0.4"));
}

}  // namespace
}  // namespace stenod::server
