#include "api/token_route.h"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/time_text.h"

namespace stenod::api {
namespace {

constexpr std::size_t kMaxBodyBytes = 4096;

Result<std::int64_t> whole_number(const json::value& value, const std::string& name) {
  if (const auto* number = value.if_int64()) return *number;
  return Error{ErrorCode::kInvalidArgument, fmt::format("{}: expected a whole number", name), name};
}

Result<access::TokenRequest> read_request(std::string_view body) {
  access::TokenRequest request;
  if (body.empty()) return request;
  STENOD_ASSIGN_OR_RETURN(const json::value value, parse_json(body));
  const json::object* object = value.if_object();
  if (object == nullptr) return Error{ErrorCode::kInvalidArgument, "expected a JSON object"};
  for (const auto& [key, field] : *object) {
    const std::string name(key);
    if (name == "ttl_s") {
      STENOD_ASSIGN_OR_RETURN(const std::int64_t ttl_s, whole_number(field, name));
      request.ttl = std::chrono::seconds(ttl_s);
    } else if (name == "streams") {
      STENOD_ASSIGN_OR_RETURN(const std::int64_t streams, whole_number(field, name));
      if (streams < 0 || streams > std::numeric_limits<int>::max()) {
        return Error{ErrorCode::kInvalidArgument, fmt::format("{} streams is out of range", streams), name};
      }
      request.streams = static_cast<int>(streams);
    } else {
      return Error{ErrorCode::kInvalidArgument, fmt::format("unknown field '{}', expected ttl_s or streams", name),
                   name};
    }
  }
  return request;
}

class TokenHandler : public RequestHandler {
 public:
  TokenHandler(access::Access& access, access::Principal principal)
      : access_(access), principal_(std::move(principal)) {}

  Status take(std::span<const std::byte> piece) override {
    if (piece.size() > kMaxBodyBytes - body_.size()) {
      return Error{ErrorCode::kPayloadTooLarge, fmt::format("expected at most {} bytes", kMaxBodyBytes)};
    }
    body_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }

  void complete(std::shared_ptr<HttpReply> reply) override {
    const auto token = mint();
    reply->send(token ? answer(*token) : error_response(token.error()));
  }

 private:
  Result<access::Token> mint() {
    STENOD_ASSIGN_OR_RETURN(const access::TokenRequest request, read_request(body_));
    return access_.mint_token(principal_, request);
  }

  static HttpResponse answer(const access::Token& token) {
    HttpResponse response;
    response.body =
        json::serialize(json::object{{"token", token.text}, {"expires_at", format_time(token.expires_at)}}) + "\n";
    response.headers.emplace_back("Cache-Control", "no-store");  // as RFC 6749, section 5.1, has it for tokens
    return response;
  }

  access::Access& access_;
  const access::Principal principal_;
  std::string body_;
};

}  // namespace

Route token_route(access::Access& access) {
  Route route;
  route.method = "POST";
  route.pattern = "/tokens";
  route.max_body_bytes = kMaxBodyBytes;
  route.open = [&access](const HttpRequest& request) -> Result<std::unique_ptr<RequestHandler>> {
    return std::unique_ptr<RequestHandler>(std::make_unique<TokenHandler>(access, request.principal));
  };
  return route;
}

}  // namespace stenod::api
