#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/websocket.h"
#include "base/result.h"

namespace stenod::server {

/// Finds the route of a request. Immutable.
class Router {
 public:
  struct Match {
    const api::Route* route = nullptr;
    std::vector<std::string> path_parameters;
    std::string allow;  ///< the methods of the path: "GET, HEAD, OPTIONS"; empty where there is no such path
  };

  /// Error: kInternal, where two routes are the same.
  static Result<Router> create(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes);
  /// One that has these routes too. Error as above.
  Result<Router> with(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes) const;

  /// `segments`: of the path. HEAD finds what GET does. Where several patterns fit, the one that has the first literal
  /// segment where the others have a parameter.
  Match find(std::string_view method, const std::vector<std::string>& segments) const;

  /// Null where nothing speaks WebSocket.
  const api::WebSocketRoute* find_websocket(std::string_view path) const;

 private:
  struct Entry {
    api::Route route;
    std::vector<std::string> segments;  ///< of the pattern; "{}": a parameter
  };
  std::vector<Entry> entries_;
  std::vector<api::WebSocketRoute> websocket_routes_;
};

}  // namespace stenod::server
