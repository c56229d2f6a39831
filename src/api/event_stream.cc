#include "api/event_stream.h"

#include <string>
#include <utility>

namespace stenod::api {
namespace {

constexpr auto kKeepAlive = std::chrono::seconds(10);

}  // namespace

bool EventStream::send(std::string_view event, std::string_view data) {
  std::string piece;
  if (!event.empty()) piece += "event: " + std::string(event) + "\n";
  if (data.ends_with('\n')) data.remove_suffix(1);
  for (std::size_t at = 0; at <= data.size();) {
    const std::string_view line = data.substr(at, data.find('\n', at) - at);
    piece += "data: " + std::string(line) + "\n";
    at += line.size() + 1;
  }
  return write(std::move(piece) + "\n");
}

bool EventStream::keep_alive() {
  if (has_begun_ && std::chrono::steady_clock::now() - last_write_ < kKeepAlive) return true;
  return write(":\n\n");
}

bool EventStream::write(std::string piece) {
  last_write_ = std::chrono::steady_clock::now();
  if (has_begun_) return reply_->write(std::move(piece));
  has_begun_ = true;
  HttpResponse head;
  head.content_type = "text/event-stream";
  head.body = std::move(piece);
  head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  reply_->begin(std::move(head));
  return true;
}

}  // namespace stenod::api
