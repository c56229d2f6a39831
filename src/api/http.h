#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access/principal.h"
#include "base/result.h"

namespace stenod::api {

// HTTP without sockets: what routes are written against. `server` carries it.

using Fields = std::vector<std::pair<std::string, std::string>>;

/// Compares without regard to the case of ASCII letters, as names of header fields are compared.
bool equals_ignoring_case(std::string_view a, std::string_view b);

/// The value of the first field of that name, in any case of ASCII letters; empty where there is none.
std::string_view find_field(const Fields& fields, std::string_view name);

struct HttpRequest {
  std::string method;  ///< upper case
  std::string path;    ///< percent-decoded, without query
  Fields query;        ///< percent-decoded, in the order given
  Fields headers;
  std::vector<std::string> path_parameters;  ///< what stood for each {name} of the route's pattern
  std::string client_address;                ///< numeric, behind trusted proxies the client's own
  std::optional<std::uint64_t> content_length;
  access::Principal principal;  ///< who asks; of public routes and where keys are not in use, nobody in particular
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  Fields headers = {};
};

/// Where the answer of one request goes: either send() once, or begin(), any number of write(), and finish().
/// Any thread; never blocks. When it is destroyed without an answer, the client gets 500.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  virtual void send(HttpResponse response) = 0;

  /// Starts an answer that comes in pieces (server-sent events); `head.body` is its first piece.
  virtual void begin(HttpResponse head) = 0;
  /// False: the client is gone, or reads so slowly that more would have to be kept than is allowed.
  virtual bool write(std::string piece) = 0;
  virtual void finish() = 0;

  /// Asks to stop when nobody waits for the answer any more: the client left, or the server shuts down.
  virtual std::stop_token stop() const = 0;
};

/// Takes one request's body as it arrives, then answers. The calls, and its destructor, come one at a time on a thread
/// of the audio pool, or of the upload pool where its route says so, never on one that serves sockets. It is destroyed
/// without complete() when the client leaves early.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// The next piece of the body. An error is the answer; the rest of the body is read and thrown away, within limits.
  virtual Status take(std::span<const std::byte> piece) = 0;
  /// The body is complete. Must not block: work that takes long is handed to another thread together with `reply`.
  virtual void complete(std::shared_ptr<HttpReply> reply) = 0;
};

/// The status that goes with an error's code.
int http_status(ErrorCode code);

/// The answer for an error: its status and {"error":{"code","message","param"?}}. 503 and what has a `retry_after` come
/// with Retry-After, kUnauthorized with WWW-Authenticate. Where the fault is the server's own (500), the message goes
/// to the log and the client gets the code's general meaning.
HttpResponse error_response(const Error& error);

/// One route of the server.
struct Route {
  enum class Access {
    kPublic,  ///< for everybody: health, the page
    kKey,     ///< for holders of a key or token, where keys are in use
    kAdmin,   ///< for holders of a key for operators
  };
  std::string method;   ///< GET, POST, DELETE; HEAD and OPTIONS are answered by the server itself
  std::string pattern;  ///< "/v1/models/{id}": {…} stands for one segment of the path
  Access access = Access::kKey;
  std::uint64_t max_body_bytes = 0;
  /// Its handlers write what they take to the disk and may wait for it: they are called on the upload pool, so that
  /// nobody's live audio waits as well.
  bool takes_uploads = false;
  /// Called on the handler's pool when the head has arrived and access is granted; an error is the answer.
  std::function<Result<std::unique_ptr<RequestHandler>>(const HttpRequest&)> open;
  /// Makes the answer of an error of this route, also one that the server found: access denied, body too large.
  HttpResponse (*answer_error)(const Error&) = error_response;
};

/// A route without a body, answered at once.
Route simple_route(std::string method, std::string pattern, Route::Access access,
                   std::function<HttpResponse(const HttpRequest&)> answer);

}  // namespace stenod::api
