#pragma once

#include <chrono>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "client/audio_source.h"
#include "client/live_messages.h"
#include "client/websocket.h"

namespace stenod::client {

struct ListenOptions {
  WebSocketOptions connection;
  double speed = 1;  ///< of a source that is not live, in multiples of real time; 0: as fast as the server takes it
  std::chrono::milliseconds grace{5000};  ///< for the remaining text after a stop was requested, or the source failed
};

/// What happens meanwhile. All calls come from the thread in listen(). An error ends listening and is returned from it.
class ListenObserver {
 public:
  virtual ~ListenObserver() = default;
  /// `raw`: the message as it came.
  virtual Status on_message(const LiveMessage& message, std::string_view raw) = 0;
  /// Several times a second. `sent_s`: audio sent so far, where that is known.
  virtual void on_tick(double sent_s) = 0;
};

enum class ListenOutcome {
  kComplete,  ///< all that was sent has been answered
  kCutShort,  ///< stopped, and the rest of the text did not come in time
};

/// Sends what `source` gives, at its own pace or the wanted one, while passing on what the server says. At the source's
/// end, when it fails, or when `stop` is requested, tells the server so and waits for the remaining text.
///
/// Blocks. Errors: those of WebSocket::connect(), of the source and of the observer; kNetIncomplete (the server closed
/// the connection, or it broke, before the text was complete), kJsonMalformed (the server speaks another protocol).
Result<ListenOutcome> listen(const ListenOptions& options, AudioSource& source, ListenObserver& observer,
                             const std::stop_token& stop);

}  // namespace stenod::client
