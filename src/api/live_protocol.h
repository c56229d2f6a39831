#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "api/http.h"
#include "base/result.h"
#include "live/events.h"
#include "live/settings.h"

namespace stenod::api {

// The messages of the live protocol as text; docs/protocol.md describes them. Pure functions.

/// What a client may choose for its session: what the session itself needs, and how it is told about it.
struct LiveSettings {
  live::SessionSettings session;
  bool plain_text = false;  ///< finals alone, as plain text messages
};

/// What a server offers and allows.
struct LiveOffer {
  std::string model = "base";  ///< the name of what is served
  live::SessionSettings defaults;
  live::SessionLimits limits;
};

/// Settings from the query of the address. Errors: kInvalidArgument (unknown, given twice, malformed, out of range),
/// kNotSupported, kModelUnknown, each with the setting as `param`.
Result<LiveSettings> settings_from_query(const Fields& query, const LiveOffer& offer);

// What a client may say.
struct StartMessage {
  LiveSettings settings;
};
struct UpdateMessage {
  std::optional<std::string> language;  ///< none: auto
};
struct FinalizeMessage {};
struct EndMessage {};
struct PingMessage {};
using ClientMessage = std::variant<StartMessage, UpdateMessage, FinalizeMessage, EndMessage, PingMessage>;

/// `current`: what a `start` message changes. Errors: kJsonMalformed, kBadRequest (no object, or no known type), those
/// of settings_from_query().
Result<ClientMessage> parse_client_message(std::string_view text, const LiveSettings& current, const LiveOffer& offer);

// What the server says.
std::string ready_message(const std::string& session_id, const LiveSettings& settings, const LiveOffer& offer);
std::string error_message(const Error& error);
std::string warning_message(std::string_view code, std::string_view message);
std::string pong_message();
/// `channels`: whether messages name the channel they belong to.
std::string event_message(const live::Event& event, bool channels);

}  // namespace stenod::api
