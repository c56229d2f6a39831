#pragma once

#include <functional>
#include <vector>

#include "api/http.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"

namespace stenod::server {

/// What operators and their machines ask a server, without a key.
struct HealthOptions {
  json::object version;           ///< what GET /version answers
  std::function<Status()> ready;  ///< or why not; called on the audio pool
  /// Must outlive the routes.
  const MetricRegistry* metrics = nullptr;
};

/// GET /healthz: 200 while the process answers at all. GET /readyz: 200 when it can do its work, else 503 with the
/// reason. GET /version. GET /metrics: for Prometheus.
std::vector<api::Route> health_routes(HealthOptions options);

}  // namespace stenod::server
