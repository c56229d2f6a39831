#include "api/live_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/live_connection.h"

namespace stenod::api {

LiveService::LiveService(live::SpeechModel model, std::shared_ptr<live::Pacer> pacer, access::Access* access,
                         LiveServiceOptions options)
    : model_(std::move(model)), pacer_(std::move(pacer)), access_(access), options_(std::move(options)) {}

LiveService::~LiveService() = default;

Status LiveService::look_for_room(int num_places) {
  Error error{ErrorCode::kOverloaded, {}, {}, std::chrono::seconds(5)};
  if (pacer_) {
    const auto now = std::chrono::steady_clock::now();
    int num_sessions = 0;
    double num_unseen = 0;
    {
      const std::lock_guard lock(mutex_);
      num_sessions = num_places_taken_;
      num_unseen = num_sessions - static_cast<double>(sessions_.size());  // those that are just being opened
      for (const auto& [id, info] : sessions_) {
        num_unseen += live::Pacer::unseen(now - info.opened);
      }
    }
    if (!pacer_->has_room(num_sessions, num_unseen, now)) {
      error.message = "the sessions that are open need all of this machine";
      return error;
    }
  }
  const std::lock_guard lock(mutex_);
  if (num_places_taken_ >= options_.max_sessions) {
    error.message = fmt::format("{} sessions are open, which is all this server takes", num_places_taken_);
    return error;
  }
  num_places_taken_ += num_places;
  return {};
}

Result<std::unique_ptr<WebSocketHandler>> LiveService::open(const HttpRequest& request, const Strand& strand) {
  const auto refused = [&](Error error, int num_places) {
    const std::lock_guard lock(mutex_);
    ++counters_.refused[std::string(error_name(error.code))];
    num_places_taken_ -= num_places;
    return error;
  };
  if (const Status taken = look_for_room(1); !taken) return refused(taken.error(), 0);
  access::StreamLease lease;
  if (access_ != nullptr) {
    auto opened = access_->open_stream(request.principal, request.client_address);
    if (!opened) return refused(std::move(opened).error(), 1);
    lease = std::move(*opened);
  }
  return std::unique_ptr<WebSocketHandler>(std::make_unique<LiveConnection>(*this, request, std::move(lease), strand));
}

Status LiveService::check(const HttpRequest& request) {
  STENOD_RETURN_IF_ERROR(look_for_room(0));
  return access_ != nullptr ? access_->check_stream(request.principal, request.client_address) : Status();
}

std::vector<SessionInfo> LiveService::sessions() const {
  const std::lock_guard lock(mutex_);
  std::vector<SessionInfo> sessions;
  for (const auto& [id, info] : sessions_) sessions.push_back(info);
  return sessions;
}

LiveCounters LiveService::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace stenod::api
