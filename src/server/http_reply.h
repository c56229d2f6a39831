#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "api/http.h"

namespace stenod::server {

class HttpConnection;

/// What a connection and the reply of its current request share. Any thread.
struct ReplyState {
  std::stop_source stop;
  std::atomic<std::size_t> unsent_bytes = 0;  ///< pieces that were written here, but not yet to the socket
};

/// A request's way back to its connection, which it does not keep alive. Any thread.
class ConnectionReply : public api::HttpReply {
 public:
  ConnectionReply(std::weak_ptr<HttpConnection> connection, std::shared_ptr<ReplyState> state,
                  std::uint64_t request_number, std::size_t max_unsent_bytes);
  ~ConnectionReply() override;

  void send(api::HttpResponse response) override;
  void begin(api::HttpResponse head) override;
  bool write(std::string piece) override;
  void finish() override;
  std::stop_token stop() const override { return state_->stop.get_token(); }

 private:
  enum class Progress { kNothing, kBegun, kDone };

  /// From `from` to `to`; false if it was not there, so that of several calls only the first counts.
  bool advance(Progress from, Progress to) { return progress_.compare_exchange_strong(from, to); }

  const std::weak_ptr<HttpConnection> connection_;
  const std::shared_ptr<ReplyState> state_;
  const std::uint64_t request_number_;
  const std::size_t max_unsent_bytes_;
  std::atomic<Progress> progress_ = Progress::kNothing;
};

}  // namespace stenod::server
