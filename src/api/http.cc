#include "api/http.h"

#include <algorithm>
#include <chrono>

#include "base/json.h"
#include "base/log.h"
#include "text/utf8.h"

namespace stenod::api {
namespace {

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class SimpleHandler : public RequestHandler {
 public:
  explicit SimpleHandler(HttpResponse response) : response_(std::move(response)) {}
  Status take(std::span<const std::byte>) override { return {}; }
  void complete(std::shared_ptr<HttpReply> reply) override { reply->send(std::move(response_)); }

 private:
  HttpResponse response_;
};

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

std::string_view find_field(const Fields& fields, std::string_view name) {
  const auto field =
      std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return equals_ignoring_case(f.first, name); });
  return field == fields.end() ? std::string_view() : field->second;
}

Route simple_route(std::string method, std::string pattern, Route::Access access,
                   std::function<HttpResponse(const HttpRequest&)> answer) {
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.access = access;
  route.open = [answer = std::move(answer)](const HttpRequest& request) -> Result<std::unique_ptr<RequestHandler>> {
    return std::unique_ptr<RequestHandler>(std::make_unique<SimpleHandler>(answer(request)));
  };
  return route;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotSupported:
    case ErrorCode::kJsonMalformed:
    case ErrorCode::kBadRequest:
    case ErrorCode::kTransferCodingUnknown:
    case ErrorCode::kAudioEmpty:
    case ErrorCode::kAudioUnknownFormat:
    case ErrorCode::kAudioPlaylist:
    case ErrorCode::kAudioNoStream:
    case ErrorCode::kAudioUnsupportedCodec:
    case ErrorCode::kAudioUnsupportedParameters:
    case ErrorCode::kAudioCorrupt:
    case ErrorCode::kMultipartBadBoundary:
    case ErrorCode::kMultipartMalformed:
    case ErrorCode::kMultipartBadHeader:
    case ErrorCode::kMultipartTruncated:
      return 400;
    case ErrorCode::kUnauthorized:
      return 401;
    case ErrorCode::kForbidden:
    case ErrorCode::kOriginNotAllowed:
      return 403;
    case ErrorCode::kNotFound:
    case ErrorCode::kModelUnknown:
    case ErrorCode::kModelNotInstalled:
      return 404;
    case ErrorCode::kMethodNotAllowed:
      return 405;
    case ErrorCode::kRequestTimeout:
      return 408;
    case ErrorCode::kPayloadTooLarge:
    case ErrorCode::kFieldTooLarge:
    case ErrorCode::kMultipartHeaderTooLarge:
    case ErrorCode::kMultipartTooManyParts:
      return 413;
    case ErrorCode::kUnsupportedMediaType:
      return 415;
    case ErrorCode::kExpectationFailed:
      return 417;
    case ErrorCode::kHostNotAllowed:
      return 421;
    case ErrorCode::kUnknownParameter:
    case ErrorCode::kMissingParameter:
      return 422;
    case ErrorCode::kUpgradeRequired:
      return 426;
    case ErrorCode::kHeaderTooLarge:
      return 431;
    case ErrorCode::kTooManyStreams:
    case ErrorCode::kQuotaExceeded:
    case ErrorCode::kTooManyFailures:
      return 429;
    case ErrorCode::kOverloaded:
    case ErrorCode::kTooManyConnections:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kCancelled:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kDiskFull:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kNotReady:
    case ErrorCode::kNoEngine:
      return 503;
    default:
      return 500;
  }
}

HttpResponse error_response(const Error& error) {
  HttpResponse response;
  response.status = http_status(error.code);
  std::string_view message = error.message;
  if (response.status == 500) {
    // It may name files or addresses of this machine.
    log::error("{}: {} {}", error_name(error.code), error.message, error.param);
    message = error_meaning(error.code);
  }
  json::object body{{"code", error_name(error.code)}, {"message", text::to_valid_utf8(message)}};
  if (!error.param.empty() && response.status != 500) body["param"] = text::to_valid_utf8(error.param);
  response.body = json::serialize(json::object{{"error", std::move(body)}}) + "\n";
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  constexpr std::chrono::seconds kUsualRetry{5};
  const auto retry_after = response.status == 503 && error.retry_after.count() == 0 ? kUsualRetry : error.retry_after;
  if (retry_after.count() > 0) response.headers.emplace_back("Retry-After", std::to_string(retry_after.count()));
  if (error.code == ErrorCode::kUpgradeRequired) {
    response.headers.emplace_back("Upgrade", "websocket");
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
  }
  return response;
}

}  // namespace stenod::api
