#include "server/server_metrics.h"

namespace stenod::server {

ServerMetrics::ServerMetrics(MetricRegistry* registry)
    : own_(registry == nullptr ? std::make_unique<MetricRegistry>() : nullptr),
      registry_(registry == nullptr ? *own_ : *registry),
      connections_(registry_.gauge("stenod_connections", "Open connections, WebSockets included.")),
      refused_(registry_.counter("stenod_connections_refused_total", "Connections beyond the limits.")),
      websockets_(registry_.gauge("stenod_websockets", "Open WebSockets.")),
      request_seconds_(registry_.histogram("stenod_http_request_seconds",
                                           "From a request's head to the end of its answer; without WebSockets.",
                                           {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100})) {}

void ServerMetrics::request_done(const std::string& route, int status, std::chrono::steady_clock::duration taken) {
  registry_
      .counter("stenod_http_requests_total", "Requests answered, by route and class of status.",
               {{"route", route}, {"status", std::to_string(status / 100) + "xx"}})
      .add();
  request_seconds_.observe(std::chrono::duration<double>(taken).count());
}

void ServerMetrics::websocket_closed(std::string_view reason) {
  websockets_.add(-1);
  registry_
      .counter("stenod_websockets_closed_total", "WebSockets that are over, by who or what ended them.",
               {{"reason", std::string(reason)}})
      .add();
}

}  // namespace stenod::server
