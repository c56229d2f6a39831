#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/http.h"

namespace stenod::api {

/// An answer in server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). It begins with the
/// first of them; until then the request can still be answered otherwise. One thread at a time.
class EventStream {
 public:
  explicit EventStream(std::shared_ptr<HttpReply> reply) : reply_(std::move(reply)) {}

  bool has_begun() const { return has_begun_; }

  // False: nobody reads any more, or too slowly.

  /// An empty name sends none, which is "message" to clients. Data of several lines is sent as such; a line break at
  /// its end is left out.
  bool send(std::string_view event, std::string_view data);
  /// Begins, or says something that clients pass over where nothing was said for a while, so that no proxy takes the
  /// connection for dead.
  bool keep_alive();

  void finish() { reply_->finish(); }

 private:
  bool write(std::string piece);

  std::shared_ptr<HttpReply> reply_;
  bool has_begun_ = false;
  std::chrono::steady_clock::time_point last_write_ = {};
};

}  // namespace stenod::api
