#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/thread_pool.h"
#include "server/server.h"

namespace stenod::server::testing {

/// What a test's handlers write down, and what tests wait for.
class Journal {
 public:
  void add(std::string entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
    changed_.notify_all();
  }
  /// Whether the entry came, within a generous time.
  bool wait_for(const std::string& entry) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return std::find(entries_.begin(), entries_.end(), entry) != entries_.end(); });
  }
  std::vector<std::string> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> entries_;
};

/// A server with routes that show what it does. Without an address of its own it listens on any port of 127.0.0.1.
/// - POST /echo: the body (at most 100,000 bytes)
/// - POST /count: how many bytes and pieces the body had (at most 100 MB)
/// - POST /picky: refuses a body with an 'x' in it
/// - POST /upload: takes uploads, and waits in take() until release(); journal: "upload waits"
/// - GET /hello/{name}: the name
/// - GET /events: pieces until told to stop, or 100 MB are written; journal: "events stopped"
/// - GET /forgotten: drops its reply; /half: begins, and drops it then; /throws; /greedy
/// - GET /slow: answers when release() is called, or when it is asked to stop; journal: "slow", "slow stopped"
/// - GET /secret: needs a key (kKey)
/// - WS /ws/echo: the messages; journal: "open", "tick", "shutdown", "closed: …", "gone"
/// - WS /ws/deaf: never reads
/// - WS /ws/busy: its thread is held until release()
/// - WS /ws/talk: answers any message with 10 MB of text; "close": closes then
/// - WS /ws/refused: 503
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  ~TestServer();

  std::uint16_t port() const { return server->port(); }
  void release();
  void stop_within(std::chrono::milliseconds time) { server->stop(std::chrono::steady_clock::now() + time); }

  Journal journal;
  MetricRegistry metrics;
  ThreadPool pool{2};
  ThreadPool upload_pool{1};
  std::unique_ptr<Server> server;

 private:
  void start_thread(std::function<void()> run);
  std::vector<api::Route> routes();
  std::vector<api::WebSocketRoute> websocket_routes();

  std::mutex mutex_;
  std::condition_variable released_;
  bool is_released_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace stenod::server::testing
