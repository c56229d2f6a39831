#include "api/live_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <span>
#include <utility>

#include "base/log.h"

namespace stenod::api {
namespace {

// Messages that are not understood are answered, but not for ever.
constexpr int kMaxErrors = 20;
constexpr auto kWarnBefore = std::chrono::seconds(60);
// What is still outstanding so shortly before a deadline is given up, so that the client hears of it.
constexpr auto kGiveUpBefore = std::chrono::milliseconds(1500);

// As much of a message is taken at once; then others get their turn. A message of 16 MiB may be half an hour of audio.
// No packet of Opus is larger, so none is cut.
constexpr std::size_t kSliceBytes = 64 * 1024;

// RFC 6455, 7.4.1, and 1013 of its registry.
constexpr int kNormalClosure = 1000, kGoingAway = 1001, kPolicyViolation = 1008, kMessageTooBig = 1009,
              kInternalError = 1011, kTryAgainLater = 1013;

int close_code_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kAudioTooLong:
      return kMessageTooBig;
    case ErrorCode::kInternal:
      return kInternalError;
    case ErrorCode::kOutOfMemory:
      return kTryAgainLater;
    default:
      return kPolicyViolation;
  }
}

std::string random_id() {
  std::random_device source;
  const auto word = [&] { return static_cast<std::uint64_t>(source()) << 32 | source(); };
  return fmt::format("{:016x}", word());
}

double seconds(LiveConnection::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

LiveConnection::LiveConnection(LiveService& service, const HttpRequest& request, access::StreamLease lease,
                               Strand strand)
    : service_(service),
      id_(random_id()),
      request_(request),
      lease_(std::move(lease)),
      strand_(std::move(strand)),
      settings_{service.options_.offer.defaults} {
  const std::lock_guard lock(service_.mutex_);
  ++service_.counters_.opened;
  service_.sessions_[id_] = {id_, request_.client_address, request_.principal.name, 0, {}, opened_};
}

LiveConnection::~LiveConnection() {
  *alive_ = nullptr;
  lease_ = {};  // who sees that the session is gone may open the next one
  const std::lock_guard lock(service_.mutex_);
  --service_.num_places_taken_;
  service_.sessions_.erase(id_);
}

void LiveConnection::on_open(std::shared_ptr<WebSocketPeer> peer) {
  peer_ = std::move(peer);
  log_event(log::level::info, "session_started",
            {{"session_id", id_}, {"client", request_.client_address}, {"key", request_.principal.key_id}});
  auto settings = settings_from_query(request_.query, service_.options_.offer);
  const Status started = settings ? start(*settings) : Status(settings.error());
  if (!started) {
    fail(started.error());
    return;
  }
  is_waiting_to_read_ = true;
  go_on();
}

Status LiveConnection::start(const LiveSettings& settings) {
  live::Session::Parts parts{service_.model_, service_.pacer_, strand_,
                             [this](const live::Event& event) { on_event(event); },
                             [this](int channel, double begin, double end, const std::string& reason,
                                    const std::string& text) { on_suppressed(channel, begin, end, reason, text); }};
  live::SessionSettings session = settings.session;
  if (settings.plain_text) session.partial_interval_ms = 0;  // nobody would see them
  STENOD_ASSIGN_OR_RETURN(session_, live::Session::create(std::move(parts), std::move(session)));
  settings_ = settings;
  send(ready_message(id_, settings_, service_.options_.offer));
  return {};
}

void LiveConnection::send(std::string json) {
  if (peer_ && !settings_.plain_text) peer_->send_text(std::move(json));
}

void LiveConnection::on_text(std::string message) {
  is_waiting_to_read_ = true;
  const auto parsed = parse_client_message(message, settings_, service_.options_.offer);
  if (parsed) {
    handle(*parsed);
  } else {
    reject(parsed.error());
  }
  go_on();
}

void LiveConnection::reject(const Error& error) {
  const bool is_forgiven = error.code == ErrorCode::kJsonMalformed || error.code == ErrorCode::kBadRequest;
  if (!is_forgiven || is_ending_) return fail(error);
  send(error_message(error));
  if (++num_errors_ >= kMaxErrors) fail({ErrorCode::kBadRequest, "too many messages that are not understood"});
}

void LiveConnection::handle(const ClientMessage& message) {
  if (!session_ || session_->is_over()) return;
  if (std::holds_alternative<PingMessage>(message)) {
    send(pong_message());
  } else if (is_ending_) {
    return;
  } else if (const auto* start_message = std::get_if<StartMessage>(&message)) {
    if (has_audio_) {
      fail({ErrorCode::kBadRequest, "start comes before the first audio", "type"});
    } else if (const Status started = start(start_message->settings); !started) {
      fail(started.error());
    }
  } else if (const auto* update = std::get_if<UpdateMessage>(&message)) {
    if (const Status changed = session_->set_language(update->language); !changed) {
      fail(changed.error());
      return;
    }
    settings_.session.language = update->language;
    send(ready_message(id_, settings_, service_.options_.offer));
  } else if (std::holds_alternative<FinalizeMessage>(message)) {
    session_->finalize();
  } else {
    end("end", kNormalClosure);
  }
}

void LiveConnection::on_binary(std::vector<std::byte> message) {
  is_waiting_to_read_ = true;
  has_audio_ |= !message.empty();
  audio_ = std::move(message);
  num_taken_ = 0;
  go_on();
}

void LiveConnection::take_slice() {
  const auto slice = std::span(audio_).subspan(num_taken_, std::min(kSliceBytes, audio_.size() - num_taken_));
  num_taken_ += slice.size();
  const Status decoded = session_->push(slice, Clock::now());
  count_audio();
  if (!decoded) fail(decoded.error());
}

void LiveConnection::count_audio() {
  const double audio_s = session_->audio_s();
  const double new_s = audio_s - counted_audio_s_;
  counted_audio_s_ = audio_s;
  {
    const std::lock_guard lock(service_.mutex_);
    service_.counters_.audio_s += new_s;
  }
  if (const Status counted = lease_.add_audio(new_s); !counted) fail(counted.error());
}

// The client waits, held up by TCP, while too much of its audio waits for text.
void LiveConnection::go_on() {
  if (!is_waiting_to_read_ || is_go_on_posted_ || !peer_ || (session_ && !session_->wants_audio())) return;
  if (session_ && !is_ending_ && num_taken_ < audio_.size()) {
    take_slice();
    if (num_taken_ < audio_.size()) {
      is_go_on_posted_ = true;
      return strand_.post([alive = alive_] {
        if (*alive == nullptr) return;
        (*alive)->is_go_on_posted_ = false;
        try {
          (*alive)->go_on();
        } catch (const std::exception& e) {  // out of memory: this session ends
          log::error("live: a session fails: {}", e.what());
          (*alive)->session_->fail();
        }
      });
    }
  }
  audio_ = {};
  num_taken_ = 0;
  if (session_ && !session_->wants_audio()) return;
  is_waiting_to_read_ = false;
  asked_at_ = Clock::now();
  peer_->read_next();
}

void LiveConnection::on_event(const live::Event& event) {
  const auto* message = std::get_if<live::Final>(&event);
  if (message != nullptr && service_.options_.log_text) {
    log_event(log::level::info, "final",
              {{"session_id", id_},
               {"channel", message->channel},
               {"utterance", message->utterance},
               {"start_s", message->start},
               {"end_s", message->end},
               {"text", message->text}});
  }
  if (!peer_) {  // the client has left; only the accounts are of interest
    if (const auto* end_event = std::get_if<live::End>(&event)) account(*end_event);
    return;
  }
  if (settings_.plain_text) {
    if (message != nullptr) peer_->send_text(message->text);
  } else {
    peer_->send_text(event_message(event, settings_.session.format.num_channels > 1));
  }
  if (const auto* end_event = std::get_if<live::End>(&event)) {
    account(*end_event);
    if (end_event->reason == error_name(ErrorCode::kInternal)) close_code_ = kInternalError;
    peer_->close(close_code_, end_event->reason);
  } else {
    const std::lock_guard lock(service_.mutex_);
    service_.counters_.finals += message != nullptr ? 1 : 0;
    service_.counters_.partials += std::holds_alternative<live::Partial>(event) ? 1 : 0;
  }
}

void LiveConnection::on_suppressed(int channel, double start, double end, const std::string& reason,
                                   const std::string& text) {
  {
    const std::lock_guard lock(service_.mutex_);
    ++service_.counters_.suppressed_utterances[reason];
  }
  const std::string_view logged = service_.options_.log_text ? std::string_view(text) : std::string_view();
  log_event(log::level::info, "utterance_without_text",
            {{"session_id", id_},
             {"channel", channel},
             {"start_s", start},
             {"end_s", end},
             {"reason", reason},
             {"text", logged}});
}

void LiveConnection::fail(const Error& error) {
  if (is_ending_) return;
  log_event(
      log::level::info, "session_error",
      {{"session_id", id_}, {"code", error_name(error.code)}, {"param", error.param}, {"message", error.message}});
  send(error_message(error));
  end(std::string(error_name(error.code)), close_code_for(error.code));
}

void LiveConnection::end(std::string reason, int close_code) {
  if (std::exchange(is_ending_, true)) return;
  close_code_ = close_code;
  if (session_) {
    session_->end(std::move(reason));
  } else if (peer_) {
    peer_->close(close_code, std::move(reason));
  }
}

void LiveConnection::on_tick(Clock::time_point now) {
  if (!session_) return;
  const LiveServiceOptions& options = service_.options_;
  session_->tick(now);
  if (deadline_ && now >= *deadline_ - kGiveUpBefore) session_->abandon("shutting_down");
  const auto age = now - opened_;
  if (age >= options.max_session) {
    end("session_limit", kPolicyViolation);
  } else if (age >= options.max_session - kWarnBefore && !is_warned_ && options.max_session > 2 * kWarnBefore) {
    is_warned_ = true;
    send(warning_message("session_limit", "the session ends in one minute"));
  }
  // A client that is held up is not idle.
  if (!is_waiting_to_read_ && now - asked_at_ >= options.idle_timeout) end("idle_timeout", kPolicyViolation);
  go_on();
  update_status();
}

void LiveConnection::on_shutdown(Clock::time_point deadline) {
  deadline_ = deadline;
  send(warning_message("shutting_down", "the server is shutting down"));
  end("shutting_down", kGoingAway);
}

void LiveConnection::on_closed(std::string why) {
  peer_ = nullptr;
  if (session_) session_->abandon("disconnected");
  log_event(log::level::debug, "connection_closed", {{"session_id", id_}, {"why", why}});
}

void LiveConnection::update_status() {
  const std::lock_guard lock(service_.mutex_);
  SessionInfo& info = service_.sessions_[id_];
  info.open_s = seconds(Clock::now() - opened_);
  info.status = session_->status();
}

void LiveConnection::account(const live::End& end) {
  double transcribed_s = 0, silence_s = 0, dropped_s = 0;
  double received = 0;
  for (const live::LedgerTotals& totals : end.channels) received += static_cast<double>(totals.received);
  const double scale = received > 0 ? session_->audio_s() * static_cast<double>(end.channels.size()) / received : 0;
  for (const live::LedgerTotals& totals : end.channels) {
    transcribed_s += scale * static_cast<double>(totals.transcribed);
    silence_s += scale * static_cast<double>(totals.silence);
    for (const auto& [reason, frames] : totals.dropped) dropped_s += scale * static_cast<double>(frames);
  }
  const live::SessionStatus status = session_->status();
  {
    const std::lock_guard lock(service_.mutex_);
    ++service_.counters_.ended[end.reason];
    service_.counters_.transcribed_s += transcribed_s;
  }
  log_event(log::level::info, "session_ended",
            {{"session_id", id_},
             {"reason", end.reason},
             {"open_s", seconds(Clock::now() - opened_)},
             {"audio_s", session_->audio_s()},
             {"transcribed_s", transcribed_s},
             {"silence_s", silence_s},
             {"dropped_s", dropped_s},
             {"finals", status.num_finals},
             {"language", status.language},
             {"not_finite", end.num_not_finite},
             {"clipped", end.num_clipped}});
}

}  // namespace stenod::api
