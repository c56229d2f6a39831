#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/access.h"
#include "api/live_service.h"
#include "api/websocket.h"
#include "live/session.h"

namespace stenod::api {

/// The live protocol (docs/protocol.md) on one WebSocket: messages become calls of a live::Session, its events become
/// messages. Counts itself in its LiveService.
class LiveConnection : public WebSocketHandler {
 public:
  using Clock = std::chrono::steady_clock;

  LiveConnection(LiveService& service, const HttpRequest& request, access::StreamLease lease, Strand strand);
  ~LiveConnection() override;

  void on_open(std::shared_ptr<WebSocketPeer> peer) override;
  void on_text(std::string message) override;
  void on_binary(std::vector<std::byte> message) override;
  void on_tick(Clock::time_point now) override;
  void on_shutdown(Clock::time_point deadline) override;
  void on_closed(std::string why) override;

 private:
  Status start(const LiveSettings& settings);
  void handle(const ClientMessage& message);
  /// Answers a message that is not understood.
  void reject(const Error& error);
  void send(std::string json);
  void on_event(const live::Event& event);
  void on_suppressed(int channel, double start, double end, const std::string& reason, const std::string& text);
  /// Tells the client what is wrong and ends the session, with the finals of what was received; once.
  void fail(const Error& error);
  /// Ends the session with its finals, then closes. Whoever comes first says why.
  void end(std::string reason, int close_code);
  void count_audio();
  /// Takes the next bit of the message that is at work, or asks for the next message, if that is wanted now.
  void go_on();
  void take_slice();
  void update_status();
  void account(const live::End& end);

  LiveService& service_;
  const std::string id_;
  const HttpRequest request_;
  access::StreamLease lease_;
  const Strand strand_;
  const Clock::time_point opened_ = Clock::now();
  std::shared_ptr<WebSocketPeer> peer_;
  LiveSettings settings_;
  std::shared_ptr<live::Session> session_;
  std::vector<std::byte> audio_;  ///< the message that is at work
  std::size_t num_taken_ = 0;     ///< bytes of it that the session has
  bool is_go_on_posted_ = false;
  bool has_audio_ = false;
  bool is_waiting_to_read_ = false;  ///< the client's next message was not asked for yet
  bool is_warned_ = false;           ///< that the time is nearly up
  bool is_ending_ = false;           ///< no more is heard of the client but pings
  int num_errors_ = 0;
  int close_code_ = 1000;
  double counted_audio_s_ = 0;
  Clock::time_point asked_at_ = opened_;  ///< when the client's next message was asked for
  std::optional<Clock::time_point> deadline_;
  /// Null once the connection is gone, for what is still posted to its strand.
  const std::shared_ptr<LiveConnection*> alive_ = std::make_shared<LiveConnection*>(this);
};

}  // namespace stenod::api
