#pragma once

#include <vector>

#include "api/http.h"
#include "api/live_service.h"
#include "api/websocket.h"

namespace stenod::api {

/// The live protocol at /ws/transcribe and /. `service` must outlive the routes.
std::vector<WebSocketRoute> live_websocket_routes(LiveService& service);

/// GET /sessions: the live sessions that are open, for operators.
Route sessions_route(LiveService& service);

}  // namespace stenod::api
