#include "server/http_reply.h"

#include <utility>

#include "server/http_connection.h"

namespace stenod::server {

ConnectionReply::ConnectionReply(std::weak_ptr<HttpConnection> connection, std::shared_ptr<ReplyState> state,
                                 std::uint64_t request_number, std::size_t max_unsent_bytes)
    : connection_(std::move(connection)),
      state_(std::move(state)),
      request_number_(request_number),
      max_unsent_bytes_(max_unsent_bytes) {}

ConnectionReply::~ConnectionReply() {
  const Progress progress = progress_;
  if (progress == Progress::kNothing) {
    send(api::error_response({ErrorCode::kInternal, "a request was given up without an answer"}));
  } else if (progress == Progress::kBegun) {
    // Without its end the client sees that the answer is not whole.
    if (const auto connection = connection_.lock()) connection->abandon(request_number_);
  }
}

void ConnectionReply::send(api::HttpResponse response) {
  if (!advance(Progress::kNothing, Progress::kDone)) return;
  if (const auto connection = connection_.lock()) connection->send(request_number_, std::move(response));
}

void ConnectionReply::begin(api::HttpResponse head) {
  if (!advance(Progress::kNothing, Progress::kBegun)) return;
  state_->unsent_bytes += head.body.size();
  if (const auto connection = connection_.lock()) connection->begin(request_number_, std::move(head));
}

bool ConnectionReply::write(std::string piece) {
  const auto connection = connection_.lock();
  if (!connection || progress_ != Progress::kBegun || state_->stop.stop_requested()) return false;
  if (state_->unsent_bytes.fetch_add(piece.size()) + piece.size() > max_unsent_bytes_) {
    progress_ = Progress::kDone;
    connection->abandon(request_number_);
    return false;
  }
  connection->write(request_number_, std::move(piece));
  return true;
}

void ConnectionReply::finish() {
  if (!advance(Progress::kBegun, Progress::kDone)) return;
  if (const auto connection = connection_.lock()) connection->finish(request_number_);
}

}  // namespace stenod::server
