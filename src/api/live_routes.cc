#include "api/live_routes.h"

#include "base/json.h"
#include "text/utf8.h"

namespace stenod::api {
namespace {

json::object describe(const SessionInfo& info) {
  return {{"session_id", info.id},
          {"client", info.client_address},
          {"key", text::to_valid_utf8(info.key_name)},
          {"open_s", info.open_s},
          {"audio_s", info.status.audio_s},
          {"ahead_s", info.status.ahead_s},
          {"waiting_s", info.status.waiting_s},
          {"speaking", info.status.is_speaking},
          {"finals", info.status.num_finals},
          {"language", info.status.language}};
}

}  // namespace

std::vector<WebSocketRoute> live_websocket_routes(LiveService& service) {
  const auto open = [&service](const HttpRequest& request, const Strand& strand) {
    return service.open(request, strand);
  };
  const auto check = [&service](const HttpRequest& request) { return service.check(request); };
  return {{"/ws/transcribe", Route::Access::kKey, open, check}, {"/", Route::Access::kKey, open, check}};
}

Route sessions_route(LiveService& service) {
  return simple_route("GET", "/sessions", Route::Access::kAdmin, [&service](const HttpRequest&) {
    json::array sessions;
    for (const SessionInfo& info : service.sessions()) sessions.push_back(describe(info));
    HttpResponse response;
    response.body = json::serialize(json::object{{"sessions", std::move(sessions)}}) + "\n";
    return response;
  });
}

}  // namespace stenod::api
