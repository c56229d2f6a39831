#include "server/router.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

api::Route route(std::string method, std::string pattern) {
  return api::simple_route(std::move(method), std::move(pattern), api::Route::Access::kPublic,
                           [](const api::HttpRequest&) { return api::HttpResponse(); });
}

TEST(Router, FindsTheRouteAndItsParameters) {
  const Router router = *Router::create({route("GET", "/"), route("GET", "/a/{id}/b"), route("POST", "/a/{id}/b"),
                                         route("GET", "/a/{x}/{y}"), route("GET", "/a/{id}/{literal}/c")},
                                        {});
  const auto pattern = [&](std::string_view method, const std::vector<std::string>& segments) {
    const Router::Match match = router.find(method, segments);
    return match.route == nullptr ? "none, " + match.allow : match.route->method + " " + match.route->pattern;
  };
  EXPECT_EQ(pattern("GET", {""}), "GET /");
  EXPECT_EQ(pattern("GET", {"a", "7", "b"}), "GET /a/{id}/b");
  EXPECT_EQ(pattern("HEAD", {"a", "7", "b"}), "GET /a/{id}/b");
  EXPECT_EQ(pattern("POST", {"a", "7", "b"}), "POST /a/{id}/b");
  EXPECT_EQ(pattern("GET", {"a", "7", "c"}), "GET /a/{x}/{y}");
  EXPECT_EQ(router.find("GET", {"a", "7/8", "c"}).path_parameters, (std::vector<std::string>{"7/8", "c"}));
  EXPECT_EQ(pattern("PUT", {"a", "7", "b"}), "none, GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(pattern("GET", {"a", "", "b"}), "none, ");
  EXPECT_EQ(pattern("GET", {"a"}), "none, ");
  EXPECT_EQ(pattern("GET", {"a", "7", "b", ""}), "none, ");
  EXPECT_EQ(pattern("GET", {}), "none, ");
}

TEST(Router, RefusesTheSameRouteTwice) {
  const auto router = Router::create({route("GET", "/a/{x}"), route("GET", "/a/{y}")}, {});
  ASSERT_FALSE(router.ok());
  EXPECT_EQ(router.error().code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace stenod::server
