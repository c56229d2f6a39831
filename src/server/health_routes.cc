#include "server/health_routes.h"

#include <string>
#include <utility>

namespace stenod::server {
namespace {

using api::HttpRequest;
using api::HttpResponse;
using api::Route;

HttpResponse json_response(const json::object& body) {
  HttpResponse response;
  response.body = json::serialize(body) + "\n";
  return response;
}

}  // namespace

std::vector<Route> health_routes(HealthOptions options) {
  constexpr auto kPublic = Route::Access::kPublic;
  return {
      api::simple_route("GET", "/healthz", kPublic,
                        [](const HttpRequest&) {
                          return json_response({{"status", "ok"}});
                        }),
      api::simple_route("GET", "/readyz", kPublic,
                        [ready = std::move(options.ready)](const HttpRequest&) {
                          const Status status = ready();
                          return status ? json_response({{"status", "ready"}}) : api::error_response(status.error());
                        }),
      api::simple_route("GET", "/version", kPublic,
                        [version = std::move(options.version)](const HttpRequest&) { return json_response(version); }),
      api::simple_route("GET", "/metrics", kPublic,
                        [metrics = options.metrics](const HttpRequest&) {
                          HttpResponse response;
                          response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                          response.body = metrics->text();
                          return response;
                        }),
  };
}

}  // namespace stenod::server
