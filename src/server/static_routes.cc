#include "server/static_routes.h"

#include <array>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "server/credential.h"

namespace stenod::server {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kContentTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
}};

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view content_type_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  for (const auto& [extension, type] : kContentTypes) {
    if (dot != std::string_view::npos && name.substr(dot) == extension) return type;
  }
  return "application/octet-stream";
}

}  // namespace

std::vector<api::Route> static_routes(std::span<const EmbeddedFile> files) {
  std::vector<api::Route> routes;
  for (const EmbeddedFile& file : files) {
    const std::string etag = "\"" + sha256_hex(std::as_bytes(std::span(file.bytes))).substr(0, 32) + "\"";
    const auto answer = [file, etag](const api::HttpRequest& request) {
      api::HttpResponse response;
      response.content_type = content_type_of(file.name);
      response.headers = {{"ETag", etag},
                          {"Cache-Control", "no-cache"},
                          {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                          {"Permissions-Policy", "microphone=(self)"}};
      if (list_contains(api::find_field(request.headers, "If-None-Match"), etag)) {
        response.status = 304;
      } else {
        response.body = file.bytes;
      }
      return response;
    };
    const auto add = [&](std::string pattern) {
      routes.push_back(api::simple_route("GET", std::move(pattern), api::Route::Access::kPublic, answer));
    };
    add("/" + std::string(file.name));
    if (file.name == "index.html") add("/");
  }
  return routes;
}

}  // namespace stenod::server
