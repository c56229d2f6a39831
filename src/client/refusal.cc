#include "client/refusal.h"

#include <fmt/format.h>

#include "base/json.h"

namespace stenod::client {
namespace {

constexpr std::size_t kMaxShownBytes = 300;

/// What the server itself says; empty where that is no words of our server.
std::string server_message(const std::string& body) {
  const auto parsed = parse_json(body, 8);
  if (!parsed || !parsed->is_object()) return {};
  const json::value* error = parsed->as_object().if_contains("error");
  if (error == nullptr || !error->is_object()) return {};
  const json::value* message = error->as_object().if_contains("message");
  if (message == nullptr || !message->is_string()) return {};
  return std::string(std::string_view(message->as_string()).substr(0, kMaxShownBytes));
}

std::string_view advice(int status) {
  switch (status) {
    case 401:
    case 403:
      return "give a valid key with --key or in STENOD_KEY";
    case 404:
      return "is the path right? It is usually /ws/transcribe";
    case 426:
    case 200:
      return "there is a web server, but no live transcription at this path";
    default:
      return {};
  }
}

}  // namespace

std::string describe_refusal(const Refusal& refusal) {
  std::string text = fmt::format("the server refused the connection with status {}", refusal.status);
  if (const std::string said = server_message(refusal.body); !said.empty()) text += ": " + said;
  if (const auto hint = advice(refusal.status); !hint.empty()) text += fmt::format("; {}", hint);
  const bool is_number = !refusal.retry_after.empty() && refusal.retry_after.size() < 6 &&
                         refusal.retry_after.find_first_not_of("0123456789") == std::string::npos;
  if (is_number) text += fmt::format("; try again in {} s", refusal.retry_after);
  return text;
}

}  // namespace stenod::client
