#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace stenod::net::testing {

/// A request as the server saw it; header names in lower case.
struct ServedRequest {
  std::string path;
  std::map<std::string, std::string> headers;
};

/// What to answer.
struct Answer {
  int status = 200;
  std::vector<std::string> headers = {};  ///< "Location: /x"
  std::string body = {};
  /// Sent instead of the body's size, if not negative. (A Transfer-Encoding among the headers leaves it out.)
  long long content_length = -1;
  /// Stops sending after that many bytes of the body and keeps the connection open (a stall).
  long long stall_after = -1;
};

/// An HTTP/1.1 server at http://127.0.0.1:<any free port>, one request a connection. Runs from construction to
/// destruction on a thread of its own and one more a connection; these call the handler, one at a time.
class LoopbackServer {
 public:
  using Handler = std::function<Answer(const ServedRequest&)>;

  explicit LoopbackServer(Handler handler);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  /// "http://127.0.0.1:1234" + path
  std::string url(const std::string& path = "") const;
  std::vector<ServedRequest> requests() const;

 private:
  void run();
  void serve(int connection);

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<ServedRequest> requests_;
  std::mutex handler_mutex_;
  std::vector<std::thread> connections_;  ///< of `thread_` alone
  std::thread thread_;
};

/// Serves `content` with support for one range.
Answer serve_range(const ServedRequest& request, const std::string& content);

}  // namespace stenod::net::testing
