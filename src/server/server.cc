#include "server/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <thread>
#include <utility>

#include "base/ip_address.h"
#include "base/log.h"
#include "server/context.h"
#include "server/listener.h"
#include "server/tls.h"

namespace stenod::server {

using std::chrono::steady_clock;

namespace {

/// Files that a server has open besides its connections, with some to spare.
constexpr rlim_t kOtherFiles = 512;

/// Connections are files; the limit that shells start programs with is often 1024.
void allow_open_files(std::size_t num_connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = num_connections + kOtherFiles;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
    log::warn("{} connections may need more open files than the {} that are allowed (ulimit -n)", num_connections,
              limit.rlim_cur);
  }
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions options, Router router, TrustedProxies proxies, OriginPolicy origins, ThreadPool& audio_pool,
       ThreadPool& upload_pool)
      : context(std::move(options), std::move(router), std::move(proxies), std::move(origins), audio_pool, upload_pool),
        work(io.get_executor()) {}
  ~Impl() { stop(steady_clock::now()); }

  void start() {
    const std::lock_guard lock(mutex);
    if (!threads.empty() || is_stopped) return;
    const std::size_t num_threads = std::max<std::size_t>(1, context.options.num_io_threads);
    for (std::size_t i = 0; i < num_threads; ++i) threads.emplace_back([this] { io.run(); });
    allow_open_files(context.options.limits.max_connections);
    listener->start(context);
  }

  void stop(steady_clock::time_point deadline) {
    const std::lock_guard lock(mutex);
    if (std::exchange(is_stopped, true) || threads.empty()) return;
    listener->stop();
    context.table.shut_down(deadline);
    const auto now = steady_clock::now();
    const auto notice = deadline - std::min<steady_clock::duration>(kCancelNotice, (deadline - now) / 4);
    if (!context.table.wait_until_empty(notice)) context.table.cancel_all();
    // Cutting is repeated, as a connection may just be changing from one form into another.
    for (auto until = deadline; !context.table.wait_until_empty(until); until = steady_clock::now() + kCutInterval) {
      context.table.cut_all();
    }
    work.reset();
    for (std::thread& thread : threads) thread.join();
  }

  static constexpr std::chrono::seconds kCancelNotice{1};
  static constexpr std::chrono::milliseconds kCutInterval{100};

  asio::io_context io;  // first: everything else refers to it
  ServerContext context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::shared_ptr<Listener> listener;
  std::mutex mutex;  ///< of start() and stop()
  bool is_stopped = false;
  std::vector<std::thread> threads;
};

Result<std::unique_ptr<Server>> Server::create(ServerOptions options, std::vector<api::Route> routes,
                                               std::vector<api::WebSocketRoute> websocket_routes,
                                               ThreadPool& audio_pool, ThreadPool& upload_pool) {
  const auto listen = parse_endpoint(options.listen);
  if (!listen) return Error{ErrorCode::kListenFailed, listen.error().message, "listen"};
  STENOD_ASSIGN_OR_RETURN(const Tcp::endpoint endpoint, resolve_endpoint(*listen));
  STENOD_ASSIGN_OR_RETURN(Router router, Router::create(std::move(routes), std::move(websocket_routes)));
  STENOD_ASSIGN_OR_RETURN(TrustedProxies proxies, TrustedProxies::parse(options.trusted_proxies));
  STENOD_ASSIGN_OR_RETURN(OriginPolicy origins,
                          OriginPolicy::parse(options.allowed_origins, options.allowed_hosts, listen->is_loopback()));
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return Error{ErrorCode::kInvalidArgument, "TLS takes both a certificate and its key.",
                 options.tls_key.empty() ? "tls_key" : "tls_certificate"};
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(router), std::move(proxies), std::move(origins),
                                     audio_pool, upload_pool);
  STENOD_ASSIGN_OR_RETURN(impl->listener, Listener::listen(impl->io, endpoint));
  std::unique_ptr<Server> server(new Server(std::move(impl)));
  STENOD_RETURN_IF_ERROR(server->reload_certificate());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

std::uint16_t Server::port() const { return impl_->listener->port(); }
void Server::start() { impl_->start(); }
void Server::stop(steady_clock::time_point deadline) { impl_->stop(deadline); }

Status Server::add_routes(std::vector<api::Route> routes, std::vector<api::WebSocketRoute> websocket_routes) {
  ServerContext& context = impl_->context;
  if (!context.is_starting) return Error{ErrorCode::kInternal, "no more routes were announced"};
  STENOD_ASSIGN_OR_RETURN(Router router, context.first_router.with(std::move(routes), std::move(websocket_routes)));
  context.second_router.emplace(std::move(router));
  context.router = &*context.second_router;
  context.is_starting = false;
  return {};
}

Status Server::reload_certificate() {
  const ServerOptions& options = impl_->context.options;
  if (options.tls_certificate.empty()) return {};
  STENOD_ASSIGN_OR_RETURN(auto tls, load_tls(options.tls_certificate, options.tls_key));
  impl_->listener->set_tls(std::move(tls));
  return {};
}

}  // namespace stenod::server
