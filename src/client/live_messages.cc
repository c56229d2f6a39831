#include "client/live_messages.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/json.h"

namespace stenod::client {
namespace {

constexpr int kMaxChannel = 1000;

std::string string_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

double number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  boost::system::error_code error;
  const double number = value == nullptr ? 0 : value->to_number<double>(error);
  return error || !std::isfinite(number) ? 0 : number;
}

int channel_of(const json::object& object) {
  const double channel = number_of(object, "channel");
  return channel >= 0 && channel <= kMaxChannel ? static_cast<int>(channel) : 0;
}

Final read_final(const json::object& object) {
  Final final{channel_of(object),       string_of(object, "text"),     number_of(object, "start"),
              number_of(object, "end"), string_of(object, "language"), {}};
  const json::value* words = object.if_contains("words");
  if (words == nullptr || !words->is_array()) return final;
  for (const json::value& value : words->as_array()) {
    if (!value.is_object()) continue;
    const json::object& word = value.as_object();
    final.words.push_back(
        {string_of(word, "word"), number_of(word, "start"), number_of(word, "end"), number_of(word, "probability")});
  }
  return final;
}

}  // namespace

Result<LiveMessage> parse_live_message(std::string_view text) {
  const auto parsed = parse_json(text, 16);
  const json::object* object = parsed ? parsed->if_object() : nullptr;
  const std::string type = object == nullptr ? std::string() : string_of(*object, "type");
  if (type.empty()) {
    return Error{ErrorCode::kJsonMalformed, "the server sent what is no message of the live protocol"};
  }
  if (type == "partial") {
    return LiveMessage(Partial{channel_of(*object), string_of(*object, "text"), string_of(*object, "stable")});
  }
  if (type == "final") return LiveMessage(read_final(*object));
  if (type == "ready") return LiveMessage(Ready{string_of(*object, "session_id")});
  if (type == "end") return LiveMessage(End{string_of(*object, "reason")});
  if (type == "error" || type == "warning") {
    return LiveMessage(Trouble{type == "error", string_of(*object, "code"), string_of(*object, "message")});
  }
  return LiveMessage(Other{});
}

}  // namespace stenod::client
