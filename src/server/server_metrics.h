#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"

namespace stenod::server {

/// The figures that the server itself counts. Any thread.
class ServerMetrics {
 public:
  /// `registry` may be null; then they go nowhere.
  explicit ServerMetrics(MetricRegistry* registry);

  void connection_opened() { connections_.add(1); }
  void connection_closed() { connections_.add(-1); }
  void connection_refused() { refused_.add(); }

  /// `route`: its pattern, or "none".
  void request_done(const std::string& route, int status, std::chrono::steady_clock::duration taken);

  void websocket_opened() { websockets_.add(1); }
  void websocket_closed(std::string_view reason);

 private:
  std::unique_ptr<MetricRegistry> own_;
  MetricRegistry& registry_;
  MetricRegistry::Gauge& connections_;
  MetricRegistry::Counter& refused_;
  MetricRegistry::Gauge& websockets_;
  MetricRegistry::Histogram& request_seconds_;
};

}  // namespace stenod::server
