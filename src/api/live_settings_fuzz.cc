// Any query and any text message: settings that a session can have, or an error that can be told to the client.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/live_protocol.h"
#include "base/json.h"
#include "text/language.h"
#include "text/utf8.h"

namespace {

using namespace stenod;
using namespace stenod::api;

void check(bool condition) {
  if (!condition) std::abort();
}

json::object read_back(const std::string& message) {
  check(text::to_valid_utf8(message) == message);
  auto parsed = parse_json(message);
  check(parsed.ok() && parsed->is_object());
  return std::move(parsed->as_object());
}

void check_settings(const LiveSettings& settings, const LiveOffer& offer) {
  const audio::StreamFormat& format = settings.session.format;
  check(format.sample_rate >= audio::StreamFormat::kMinSampleRate);
  check(format.sample_rate <= audio::StreamFormat::kMaxSampleRate);
  check(format.num_channels >= 1 && format.num_channels <= audio::StreamFormat::kMaxChannels);
  check(live::check_settings(settings.session, offer.limits).ok());
  // What `ready` says is understood, but for numbers that its three decimals push over a limit.
  json::object ready = read_back(ready_message("0", settings, offer));
  check(ready.size() == 21);
  for (const char* name : {"type", "session_id", "vad_threshold", "chunk_s", "overlap_s"}) ready.erase(name);
  ready["type"] = "start";
  const auto again = parse_client_message(json::serialize(ready), settings, offer);
  check(again.ok() && std::holds_alternative<StartMessage>(*again));
  check(ready_message("0", std::get<StartMessage>(*again).settings, offer) == ready_message("0", settings, offer));
}

void check_error(const Error& error, bool is_message) {
  const bool is_expected = error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kNotSupported ||
                           error.code == ErrorCode::kModelUnknown;
  const bool is_of_message = error.code == ErrorCode::kJsonMalformed || error.code == ErrorCode::kBadRequest;
  check(is_expected || (is_message && is_of_message));
  check(!error.message.empty() && error.message.size() < 1000 && error.param.size() < 200);
  read_back(error_message(error));
}

}  // namespace

/// The first byte: a query, name=value&…, or a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  LiveOffer offer;
  if (data[0] % 2 == 0) {
    Fields query;
    for (std::size_t at = 0; at < input.size();) {
      const std::string_view field = input.substr(at, input.find('&', at) - at);
      const std::size_t equals = field.find('=');
      query.emplace_back(field.substr(0, equals),
                         equals == std::string_view::npos ? std::string_view() : field.substr(equals + 1));
      at += field.size() + 1;
    }
    const auto settings = settings_from_query(query, offer);
    settings ? check_settings(*settings, offer) : check_error(settings.error(), false);
    return 0;
  }
  LiveSettings current;
  current.session.language = "de";
  const auto message = parse_client_message(input, current, offer);
  if (!message) {
    check_error(message.error(), true);
  } else if (const auto* start = std::get_if<StartMessage>(&*message)) {
    check_settings(start->settings, offer);
  } else if (const auto* update = std::get_if<UpdateMessage>(&*message)) {
    if (update->language) check(text::find_language(*update->language) != nullptr);
  }
  return 0;
}
