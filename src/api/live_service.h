#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "access/access.h"
#include "api/live_protocol.h"
#include "api/websocket.h"
#include "base/thread_pool.h"
#include "live/pacer.h"
#include "live/session.h"
#include "live/speech_model.h"

namespace stenod::api {

struct LiveServiceOptions {
  LiveOffer offer;
  int max_sessions = 64;
  std::chrono::seconds max_session{3600};  ///< of wall time
  std::chrono::seconds idle_timeout{60};   ///< without a message from the client
  bool log_text = false;                   ///< whether what people said may appear in the log
};

/// One line of GET /sessions.
struct SessionInfo {
  std::string id;
  std::string client_address;
  std::string key_name;
  double open_s = 0;
  live::SessionStatus status;
  std::chrono::steady_clock::time_point opened;
};

/// How sessions ended, since the start.
struct LiveCounters {
  std::uint64_t opened = 0;
  std::map<std::string, std::uint64_t> refused;                ///< by error code
  std::map<std::string, std::uint64_t> ended;                  ///< by reason
  std::map<std::string, std::uint64_t> suppressed_utterances;  ///< by reason
  std::uint64_t partials = 0, finals = 0;
  double audio_s = 0, transcribed_s = 0;
};

class LiveConnection;

/// All live sessions of a server: admits them, counts them, lists them. Any thread.
class LiveService {
 public:
  /// `access` may be null: no keys and no limits. Everything given must outlive the service, and the service the
  /// connections that it made.
  LiveService(live::SpeechModel model, std::shared_ptr<live::Pacer> pacer, access::Access* access,
              LiveServiceOptions options);
  ~LiveService();

  /// The handler of one upgrade. Errors: kOverloaded (too many sessions, or the engine can carry no more), those of
  /// access::Access::open_stream().
  Result<std::unique_ptr<WebSocketHandler>> open(const HttpRequest& request, const Strand& strand);
  /// What open() would say now; opens, takes and counts nothing.
  Status check(const HttpRequest& request);

  std::vector<SessionInfo> sessions() const;
  LiveCounters counters() const;

 private:
  friend class LiveConnection;
  /// Whether one more session fits; takes `num_places` then, 0 or 1, which are the caller's to give back.
  Status look_for_room(int num_places);

  const live::SpeechModel model_;
  const std::shared_ptr<live::Pacer> pacer_;
  access::Access* const access_;
  const LiveServiceOptions options_;

  mutable std::mutex mutex_;
  int num_places_taken_ = 0;
  std::map<std::string, SessionInfo> sessions_;  ///< by id
  LiveCounters counters_;
};

}  // namespace stenod::api
