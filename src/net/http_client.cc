#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

namespace stenod::net {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUserAgent = "stenod";
constexpr int kPartialContent = 206;
constexpr int kRangeNotSatisfiable = 416;
constexpr std::size_t kMaxHeaders = 100;

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;
using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Url parse_url(const std::string& text) {
  Url url(curl_url(), curl_url_cleanup);
  if (url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

std::string url_part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return text;
}

/// Without what may be secret.
std::string redacted(const std::string& text) {
  const Url url = parse_url(text);
  if (!url) return "the address";
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(url.get(), part, nullptr, 0);
  }
  return url_part(url, CURLUPART_URL);
}

bool is_loopback(const Url& url) {
  const std::string host = url_part(url, CURLUPART_HOST);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

/// Whether both have the same scheme, host and port.
bool is_same_origin(const std::string& a, const std::string& b) {
  const auto origin = [](const std::string& text) {
    const Url url = parse_url(text);
    char* port = nullptr;
    if (!url || curl_url_get(url.get(), CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, decltype(&curl_free)> owner(port, curl_free);
    return fmt::format("{}://{}:{}", url_part(url, CURLUPART_SCHEME), url_part(url, CURLUPART_HOST), port);
  };
  const std::string origin_of_a = origin(a);
  return !origin_of_a.empty() && origin_of_a == origin(b);
}

/// Whether `text` may be asked, having been sent there by `from` (nullptr at the start).
Status check_url(const std::string& text, const std::string* from) {
  const Url url = parse_url(text);
  if (!url) return Error{ErrorCode::kNetBadUrl, fmt::format("'{}' is no address", text)};
  const std::string scheme = url_part(url, CURLUPART_SCHEME);
  const bool from_here = from == nullptr || is_loopback(parse_url(*from));
  const bool allowed = is_loopback(url) ? from_here && (scheme == "https" || scheme == "http") : scheme == "https";
  if (allowed) return {};
  return Error{ErrorCode::kNetBadUrl,
               fmt::format("{} is not allowed{}: expected https", redacted(text),
                           from == nullptr ? "" : fmt::format(" as a redirect from {}", redacted(*from)))};
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// One request and its answer, without redirects.
class Transfer {
 public:
  Transfer(const HttpRequest& request, std::string url, std::uint64_t offset, const HeadSink& on_head,
           const BodySink& on_body, const std::stop_token& stop)
      : request_(request),
        url_(std::move(url)),
        asked_offset_(offset),
        on_head_(on_head),
        on_body_(on_body),
        stop_(stop) {}

  /// Success also stands for a redirect and for a range that the server refuses.
  Status perform() {
    const Easy easy(curl_easy_init(), curl_easy_cleanup);
    if (!easy) return Error{ErrorCode::kInternal, "libcurl could not be started"};
    easy_ = easy.get();
    Headers headers(curl_slist_append(nullptr, ("Accept: " + request_.accept).c_str()), curl_slist_free_all);
    if (!request_.bearer_token.empty() && is_same_origin(url_, request_.url)) {
      curl_slist_append(headers.get(), ("Authorization: Bearer " + request_.bearer_token).c_str());
    }
    char reason[CURL_ERROR_SIZE] = "";
    set(CURLOPT_URL, url_.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_USERAGENT, kUserAgent);
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
    set(CURLOPT_ERRORBUFFER, reason);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header_line);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_write);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    const std::string range = request_.length == 0
                                  ? fmt::format("{}-", asked_offset_)
                                  : fmt::format("{}-{}", asked_offset_, asked_offset_ + request_.length - 1);
    if (asked_offset_ != 0 || request_.length != 0) set(CURLOPT_RANGE, range.c_str());
    last_activity_ = Clock::now();
    const CURLcode code = curl_easy_perform(easy_);
    STENOD_RETURN_IF_ERROR(std::move(failure_));
    if (code != CURLE_OK) return transfer_error(code, *reason != '\0' ? reason : curl_easy_strerror(code));

    update_status();
    char* redirect = nullptr;
    curl_easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &redirect);
    if (redirect != nullptr) redirect_url_ = redirect;
    if (!redirect_url_.empty() || can_start_again()) return {};
    if (!has_body()) {
      return Error{ErrorCode::kNetHttpStatus, fmt::format("{} answered with status {}", redacted(url_), head_.status)};
    }
    return begin_body();  // for an empty body
  }

  const std::string& redirect_url() const { return redirect_url_; }
  /// The rest that was asked for doesn't exist: what is there can't be a part of what the server has.
  bool can_start_again() const {
    return asked_offset_ != 0 && request_.length == 0 && head_.status == kRangeNotSatisfiable;
  }
  const HttpHead& head() const { return head_; }

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }

  void update_status() {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<int>(status);
  }

  bool has_body() const { return head_.status == 200 || head_.status == kPartialContent; }

  Error transfer_error(CURLcode code, const char* reason) const {
    const auto error = [&](ErrorCode kind) { return Error{kind, fmt::format("{}: {}", redacted(url_), reason)}; };
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT:
        return error(ErrorCode::kNetTimeout);
      case CURLE_PARTIAL_FILE:
        return error(ErrorCode::kNetIncomplete);
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CIPHER:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_SSL_ISSUER_ERROR:
        return error(ErrorCode::kNetTls);
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
        return error(ErrorCode::kNetBadUrl);
      default:
        return error(ErrorCode::kNetUnreachable);
    }
  }

  Error too_large(std::uint64_t size) const {
    return {ErrorCode::kNetTooLarge,
            fmt::format("{}: {} bytes or more, expected at most {}", redacted(url_), size, request_.max_bytes)};
  }

  /// Makes sense of the header and passes it on, once.
  Status begin_body() {
    if (begun_) return {};
    begun_ = true;
    if (head_.status == kPartialContent) {
      STENOD_RETURN_IF_ERROR(parse_content_range());
    } else {
      curl_off_t length = -1;
      curl_easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      if (length >= 0) head_.total_size = static_cast<std::uint64_t>(length);
    }
    if (head_.total_size && *head_.total_size > request_.max_bytes) return too_large(*head_.total_size);
    const char* type = nullptr;
    curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) head_.content_type = type;
    num_bytes_ = head_.offset;
    return on_head_ ? on_head_(head_) : Status();
  }

  /// "bytes 5-9/10" or "bytes 5-9/*" (RFC 9110, 14.4).
  Status parse_content_range() {
    const std::string content_range = head_.header("content-range");
    const std::string_view text = content_range;
    const auto dash = text.find('-');
    const auto slash = text.find('/');
    if (text.starts_with("bytes ") && dash != text.npos && slash != text.npos && dash < slash) {
      const auto first = parse_number(text.substr(6, dash - 6));
      head_.total_size = parse_number(text.substr(slash + 1));
      if (first == asked_offset_) {
        head_.offset = asked_offset_;
        return {};
      }
    }
    return Error{ErrorCode::kNetIncomplete, fmt::format("{}: asked for the bytes from {} on, was sent '{}'",
                                                        redacted(url_), asked_offset_, content_range)};
  }

  Status take_body(std::span<const std::byte> bytes) {
    last_activity_ = Clock::now();
    update_status();
    if (!has_body()) return {};
    STENOD_RETURN_IF_ERROR(begin_body());
    num_bytes_ += bytes.size();
    if (num_bytes_ > request_.max_bytes) return too_large(num_bytes_);
    return on_body_(bytes);
  }

  static std::size_t on_header_line(char* data, std::size_t, std::size_t size, void* self_pointer) {
    auto& self = *static_cast<Transfer*>(self_pointer);
    self.last_activity_ = Clock::now();
    std::string_view line(data, size);
    if (line.starts_with("HTTP/")) self.head_.headers.clear();  // what came before was a preliminary answer
    const auto colon = line.find(':');
    if (colon == line.npos || self.head_.headers.size() >= kMaxHeaders) return size;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    line.remove_prefix(colon + 1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    self.head_.headers[std::move(name)] = line;
    return size;
  }

  static std::size_t on_write(char* data, std::size_t, std::size_t size, void* self_pointer) {
    auto& self = *static_cast<Transfer*>(self_pointer);
    self.failure_ = self.take_body(std::as_bytes(std::span(data, size)));
    return self.failure_.ok() ? size : CURL_WRITEFUNC_ERROR;
  }

  /// Called at least about once a second, whatever the connection does.
  static int on_progress(void* self_pointer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& self = *static_cast<Transfer*>(self_pointer);
    if (self.stop_.stop_requested()) {
      self.failure_ = Error{ErrorCode::kCancelled, "the download was cancelled"};
    } else if (Clock::now() - self.last_activity_ > self.request_.stall_timeout) {
      self.failure_ = Error{ErrorCode::kNetTimeout, fmt::format("{} sent nothing for {} s", redacted(self.url_),
                                                                self.request_.stall_timeout.count() / 1000.0)};
    }
    return self.failure_.ok() ? 0 : 1;
  }

  const HttpRequest& request_;
  const std::string url_;
  const std::uint64_t asked_offset_;
  const HeadSink& on_head_;
  const BodySink& on_body_;
  const std::stop_token& stop_;
  CURL* easy_ = nullptr;
  Clock::time_point last_activity_;
  Status failure_;
  HttpHead head_;
  std::string redirect_url_;
  std::uint64_t num_bytes_ = 0;
  bool begun_ = false;
};

/// The answer and the address that it came from in the end.
Result<std::pair<HttpHead, std::string>> get(const HttpRequest& request, const HeadSink& on_head,
                                             const BodySink& on_body, const std::stop_token& stop,
                                             HttpHead* last_answer) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return Error{ErrorCode::kInternal, "libcurl could not be started"};
  if (last_answer != nullptr) *last_answer = {};
  STENOD_RETURN_IF_ERROR(check_url(request.url, nullptr));
  std::string url = request.url;
  std::uint64_t offset = request.offset;
  for (int num_redirects = 0; num_redirects <= request.max_redirects;) {
    Transfer transfer(request, url, offset, on_head, on_body, stop);
    Status performed = transfer.perform();
    if (last_answer != nullptr) *last_answer = transfer.head();
    STENOD_RETURN_IF_ERROR(std::move(performed));
    if (!transfer.redirect_url().empty()) {
      STENOD_RETURN_IF_ERROR(check_url(transfer.redirect_url(), &url));
      url = transfer.redirect_url();
      ++num_redirects;
    } else if (transfer.can_start_again()) {
      offset = 0;
    } else {
      return std::pair(transfer.head(), url);
    }
  }
  return Error{ErrorCode::kNetTooManyRedirects,
               fmt::format("{}: more than {} redirects", redacted(request.url), request.max_redirects)};
}

}  // namespace

std::string HttpHead::header(const std::string& lower_case_name) const {
  const auto it = headers.find(lower_case_name);
  return it == headers.end() ? std::string() : it->second;
}

std::optional<std::chrono::seconds> HttpHead::retry_after() const {
  const auto seconds = [](std::string_view text) -> std::optional<std::chrono::seconds> {
    const auto number = parse_number(text);
    if (!number) return std::nullopt;
    return std::chrono::seconds(std::min<std::uint64_t>(*number, 1'000'000));
  };
  if (const auto wait = seconds(header("retry-after"))) return wait;
  // "api";r=0;t=55
  const std::string rate_limit = header("ratelimit");
  const auto renewal = rate_limit.find(";t=");
  if (renewal == std::string::npos || rate_limit.find(";r=0") == std::string::npos) return std::nullopt;
  const std::string_view rest = std::string_view(rate_limit).substr(renewal + 3);
  return seconds(rest.substr(0, rest.find_first_not_of("0123456789")));
}

Result<HttpHead> http_get(const HttpRequest& request, const HeadSink& on_head, const BodySink& on_body,
                          std::stop_token stop, HttpHead* last_answer) {
  STENOD_ASSIGN_OR_RETURN(auto result, get(request, on_head, on_body, stop, last_answer));
  return std::move(result.first);
}

Result<HttpText> http_get_text(const HttpRequest& request, std::stop_token stop, HttpHead* last_answer) {
  HttpText text;
  const BodySink append = [&](std::span<const std::byte> bytes) -> Status {
    text.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  STENOD_ASSIGN_OR_RETURN(auto result, get(request, {}, append, stop, last_answer));
  text.head = std::move(result.first);
  text.url = std::move(result.second);
  return text;
}

Result<std::string> resolve_url(const std::string& base, const std::string& reference) {
  const Url url = parse_url(base);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), 0) != CURLUE_OK) {
    return Error{ErrorCode::kNetBadUrl, fmt::format("'{}' is no address", reference)};
  }
  return url_part(url, CURLUPART_URL);
}

}  // namespace stenod::net
