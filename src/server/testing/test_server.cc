#include "server/testing/test_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <new>
#include <stdexcept>

#include "base/log.h"

namespace stenod::server::testing {
namespace {

using api::HttpReply;
using api::HttpRequest;
using api::HttpResponse;
using api::Route;
using std::chrono::steady_clock;

HttpResponse text(std::string body) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

/// A handler made of functions.
class Handler : public api::RequestHandler {
 public:
  using Take = std::function<Status(std::span<const std::byte>)>;
  using Complete = std::function<void(std::shared_ptr<HttpReply>)>;
  Handler(Take take, Complete complete, Journal* journal)
      : take_(std::move(take)), complete_(std::move(complete)), journal_(journal) {}
  ~Handler() override {
    if (journal_ != nullptr) journal_->add("handler gone");
  }
  Status take(std::span<const std::byte> piece) override { return take_ ? take_(piece) : Status(); }
  void complete(std::shared_ptr<HttpReply> reply) override { complete_(std::move(reply)); }

 private:
  const Take take_;
  const Complete complete_;
  Journal* const journal_;
};

Route make_route(std::string method, std::string pattern, std::uint64_t max_body_bytes,
                 std::function<std::unique_ptr<api::RequestHandler>(const HttpRequest&)> open) {
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.access = Route::Access::kPublic;
  route.max_body_bytes = max_body_bytes;
  route.open = [open = std::move(open)](const HttpRequest& request) -> Result<std::unique_ptr<api::RequestHandler>> {
    return open(request);
  };
  return route;
}

class EchoSocket : public api::WebSocketHandler {
 public:
  explicit EchoSocket(Journal& journal) : journal_(journal) {}
  ~EchoSocket() override { journal_.add("gone"); }
  void on_open(std::shared_ptr<api::WebSocketPeer> peer) override {
    peer_ = std::move(peer);
    journal_.add("open");
    peer_->read_next();
  }
  void on_text(std::string message) override {
    if (message == "close") return peer_->close(1000, "as you wish");
    if (message == "throw") throw std::runtime_error("on purpose");
    peer_->send_text(std::move(message));
    peer_->read_next();
  }
  void on_binary(std::vector<std::byte> message) override {
    peer_->send_text(std::to_string(message.size()) + " bytes");
    peer_->read_next();
  }
  void on_tick(steady_clock::time_point) override { journal_.add("tick"); }
  void on_shutdown(steady_clock::time_point) override {
    journal_.add("shutdown");
    peer_->send_text("last words");
    peer_->close(1001, "shutting down");
  }
  void on_closed(std::string why) override { journal_.add("closed: " + why); }

 protected:
  Journal& journal_;
  std::shared_ptr<api::WebSocketPeer> peer_;
};

class DeafSocket : public EchoSocket {
 public:
  using EchoSocket::EchoSocket;
  void on_open(std::shared_ptr<api::WebSocketPeer> peer) override {
    peer_ = std::move(peer);
    journal_.add("open");
  }
  void on_shutdown(steady_clock::time_point) override { journal_.add("shutdown"); }
};

class BusySocket : public EchoSocket {
 public:
  BusySocket(Journal& journal, std::function<void()> wait) : EchoSocket(journal), wait_(std::move(wait)) {}
  void on_text(std::string message) override {
    journal_.add("busy");
    wait_();
    EchoSocket::on_text(std::move(message));
  }

 private:
  const std::function<void()> wait_;
};

class TalkSocket : public EchoSocket {
 public:
  using EchoSocket::EchoSocket;
  void on_text(std::string message) override {
    for (int i = 0; i < 1000; ++i) peer_->send_text(std::string(10'000, 'x'));
    peer_->send_text("end");
    message == "close" ? peer_->close(1000, "said all") : peer_->read_next();
  }
};

}  // namespace

TestServer::TestServer(ServerOptions options) {
  log::default_logger_raw();  // makes it before there are threads: the thread sanitizer doesn't see the library's lock
  if (options.listen == ServerOptions().listen) options.listen = "127.0.0.1:0";
  options.metrics = &metrics;
  auto created = Server::create(std::move(options), routes(), websocket_routes(), pool, upload_pool);
  if (!created) throw std::runtime_error(created.error().message);
  server = std::move(*created);
  server->start();
}

TestServer::~TestServer() {
  release();
  server.reset();
}

void TestServer::release() {
  const std::lock_guard lock(mutex_);
  is_released_ = true;
  released_.notify_all();
}

void TestServer::start_thread(std::function<void()> run) {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back(std::move(run));
}

std::vector<Route> TestServer::routes() {
  std::vector<Route> routes;
  routes.push_back(make_route("POST", "/echo", 100'000, [](const HttpRequest&) {
    auto body = std::make_shared<std::string>();
    return std::make_unique<Handler>(
        [body](std::span<const std::byte> piece) {
          body->append(reinterpret_cast<const char*>(piece.data()), piece.size());
          return Status();
        },
        [body](std::shared_ptr<HttpReply> reply) { reply->send(text(*body)); }, nullptr);
  }));
  routes.push_back(make_route("POST", "/count", 100'000'000, [this](const HttpRequest&) {
    auto count = std::make_shared<std::pair<std::size_t, std::size_t>>();
    return std::make_unique<Handler>(
        [count](std::span<const std::byte> piece) {
          count->first += piece.size();
          count->second = std::max(count->second, piece.size());
          return Status();
        },
        [count](std::shared_ptr<HttpReply> reply) {
          reply->send(text(std::to_string(count->first) + " bytes, the largest piece " +
                           (count->second <= 65536 ? "small" : "large")));
        },
        &journal);
  }));
  routes.push_back(make_route("POST", "/picky", 100'000'000, [](const HttpRequest&) {
    return std::make_unique<Handler>(
        [](std::span<const std::byte> piece) -> Status {
          if (std::find(piece.begin(), piece.end(), std::byte{'x'}) == piece.end()) return {};
          return Error{ErrorCode::kInvalidArgument, "no x, please"};
        },
        [](std::shared_ptr<HttpReply> reply) { reply->send(text("fine")); }, nullptr);
  }));
  routes.push_back(api::simple_route("GET", "/hello/{name}", Route::Access::kPublic, [](const HttpRequest& request) {
    return text(request.path_parameters.at(0) + " from " + request.client_address);
  }));
  routes.push_back(api::simple_route("GET", "/hello/nobody", Route::Access::kPublic,
                                     [](const HttpRequest&) { return text("nobody"); }));
  routes.push_back(api::simple_route("GET", "/secret", Route::Access::kKey,
                                     [](const HttpRequest& request) { return text("for " + request.principal.name); }));
  routes.push_back(api::simple_route("GET", "/split", Route::Access::kPublic, [](const HttpRequest&) {
    HttpResponse response = text("x");
    response.headers.emplace_back("X-Bad", "a\r\nSet-Cookie: b");
    return response;
  }));
  routes.push_back(make_route("GET", "/events", 0, [this](const HttpRequest&) {
    return std::make_unique<Handler>(
        nullptr,
        [this](std::shared_ptr<HttpReply> reply) {
          start_thread([this, reply] {
            HttpResponse head = text("begin\n");
            reply->begin(std::move(head));
            for (int i = 0; i < 100'000 && !reply->stop().stop_requested(); ++i) {
              if (!reply->write(std::string(1000, 'x'))) break;
            }
            journal.add("events stopped");
          });
        },
        nullptr);
  }));
  routes.push_back(make_route("POST", "/upload", 100'000, [this](const HttpRequest&) {
    return std::make_unique<Handler>(
        [this](std::span<const std::byte>) {
          journal.add("upload waits");
          std::unique_lock lock(mutex_);
          released_.wait(lock, [this] { return is_released_; });
          return Status();
        },
        [](std::shared_ptr<HttpReply> reply) { reply->send(text("taken")); }, nullptr);
  }));
  routes.back().takes_uploads = true;
  routes.push_back(make_route("GET", "/three", 0, [](const HttpRequest&) {
    return std::make_unique<Handler>(
        nullptr,
        [](std::shared_ptr<HttpReply> reply) {
          reply->begin(text("one "));
          reply->write("two ");
          reply->write("");
          reply->write("three");
          reply->finish();
          reply->send(text("ignored"));
        },
        nullptr);
  }));
  routes.push_back(make_route("GET", "/forgotten", 0, [](const HttpRequest&) {
    return std::make_unique<Handler>(
        nullptr, [](std::shared_ptr<HttpReply>) {}, nullptr);
  }));
  routes.push_back(make_route("GET", "/half", 0, [](const HttpRequest&) {
    return std::make_unique<Handler>(
        nullptr, [](std::shared_ptr<HttpReply> reply) { reply->begin(text("half of it")); }, nullptr);
  }));
  routes.push_back(make_route("GET", "/throws", 0, [](const HttpRequest&) -> std::unique_ptr<api::RequestHandler> {
    throw std::runtime_error("on purpose");
  }));
  routes.push_back(make_route(
      "GET", "/greedy", 0, [](const HttpRequest&) -> std::unique_ptr<api::RequestHandler> { throw std::bad_alloc(); }));
  routes.push_back(make_route("GET", "/slow", 0, [this](const HttpRequest&) {
    return std::make_unique<Handler>(
        nullptr,
        [this](std::shared_ptr<HttpReply> reply) {
          journal.add("slow");
          start_thread([this, reply] {
            const std::stop_callback on_stop(reply->stop(), [this] {
              const std::lock_guard lock(mutex_);
              released_.notify_all();
            });
            std::unique_lock lock(mutex_);
            released_.wait(lock, [&] { return is_released_ || reply->stop().stop_requested(); });
            lock.unlock();
            journal.add(reply->stop().stop_requested() ? "slow stopped" : "slow answers");
            reply->send(text("slow"));
          });
        },
        nullptr);
  }));
  return routes;
}

std::vector<api::WebSocketRoute> TestServer::websocket_routes() {
  const auto route = [](std::string path, auto open) {
    api::WebSocketRoute result;
    result.path = std::move(path);
    result.access = Route::Access::kKey;
    result.open = [open](const HttpRequest&, const Strand&) -> Result<std::unique_ptr<api::WebSocketHandler>> {
      return open();
    };
    return result;
  };
  using Opened = Result<std::unique_ptr<api::WebSocketHandler>>;
  const Error no_slot{ErrorCode::kOverloaded, "no slot is free"};
  api::WebSocketRoute refused = route("/ws/refused", [no_slot]() -> Opened { return no_slot; });
  refused.check = [no_slot](const HttpRequest&) -> Status { return no_slot; };
  return {
      route("/ws/echo", [this]() -> Opened { return {std::make_unique<EchoSocket>(journal)}; }),
      route("/ws/deaf", [this]() -> Opened { return {std::make_unique<DeafSocket>(journal)}; }),
      route("/ws/busy",
            [this]() -> Opened {
              return {std::make_unique<BusySocket>(journal, [this] {
                std::unique_lock lock(mutex_);
                released_.wait(lock, [this] { return is_released_; });
              })};
            }),
      route("/ws/talk", [this]() -> Opened { return {std::make_unique<TalkSocket>(journal)}; }),
      refused,
  };
}

}  // namespace stenod::server::testing
