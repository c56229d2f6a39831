#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/thread_pool.h"
#include "server/client_address.h"
#include "server/connection_table.h"
#include "server/options.h"
#include "server/origin.h"
#include "server/router.h"
#include "server/server_metrics.h"

namespace stenod::server {

/// What all connections of a server share. Everything is constant or may be used by any thread.
struct ServerContext {
  ServerContext(ServerOptions server_options, Router server_router, TrustedProxies server_proxies, OriginPolicy policy,
                ThreadPool& for_audio, ThreadPool& for_uploads)
      : options(std::move(server_options)),
        first_router(std::move(server_router)),
        proxies(std::move(server_proxies)),
        origins(std::move(policy)),
        audio_pool(for_audio),
        upload_pool(for_uploads),
        metrics(options.metrics),
        table(options.limits.max_connections, options.limits.max_connections_per_client, metrics) {}

  const ServerOptions options;
  const Router first_router;                          ///< with the routes that there are from the start
  std::optional<Router> second_router;                ///< with all; set before `router` points to it, and once
  std::atomic<const Router*> router = &first_router;  ///< the one in use
  const TrustedProxies proxies;
  const OriginPolicy origins;
  ThreadPool& audio_pool;
  ThreadPool& upload_pool;
  ServerMetrics metrics;
  std::atomic<bool> is_starting = options.more_routes_come;
  std::atomic<std::size_t> assembling_bytes = 0;  ///< see Limits::max_assembling_bytes
  ConnectionTable table;
};

}  // namespace stenod::server
