#include "server/request_parser.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

#include "server/credential.h"
#include "server/request_target.h"

namespace stenod::server {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

/// A line between chunks (size, extensions), or the trailer, is at most so long.
constexpr std::size_t kMaxChunkLineBytes = 4096;

/// Of these a request has at most one.
constexpr std::array<std::string_view, 10> kSingleFields{
    "Host",      "Content-Length", "Transfer-Encoding", "Content-Type",         "Authorization", "Expect",
    "X-API-Key", "Origin",         "Sec-WebSocket-Key", "Sec-WebSocket-Version"};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Error bad_request(std::string message) { return {ErrorCode::kBadRequest, std::move(message)}; }

}  // namespace

class RequestParser::Impl : public http::basic_parser<true> {
 public:
  explicit Impl(std::size_t max_head_bytes) : max_head_bytes_(max_head_bytes) {
    header_limit(static_cast<std::uint32_t>(max_head_bytes + kMaxChunkLineBytes));
    body_limit(boost::none);
  }

  Result<std::optional<std::size_t>> find_head(std::string_view bytes) {
    for (; scanned_ < bytes.size(); ++scanned_) {
      if (scanned_ >= max_head_bytes_) {
        return Error{ErrorCode::kHeaderTooLarge,
                     "The request's head is longer than " + std::to_string(max_head_bytes_) + " bytes."};
      }
      const char c = bytes[scanned_];
      const char before = scanned_ > 0 ? bytes[scanned_ - 1] : '\0';
      if ((c == '\n') != (before == '\r')) return bad_request("A line of the head does not end with CR LF.");
      if ((c == ' ' || c == '\t') && before == '\n') return bad_request("A header field is folded over two lines.");
      const bool is_control =
          (static_cast<unsigned char>(c) < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f;
      if (is_control) return bad_request("The head has a control character.");
      if (c == '\n' && scanned_ >= 3 && bytes.substr(scanned_ - 3, 4) == "\r\n\r\n") {
        return std::optional<std::size_t>(++scanned_);
      }
    }
    return std::optional<std::size_t>();
  }

  Result<RequestHead> parse_head(std::string_view head) {
    beast::error_code error;
    eager(false);
    const std::size_t size = put(boost::asio::buffer(head.data(), head.size()), error);
    if (error || size != head.size() || !is_header_done()) {
      return bad_request("The head is not valid HTTP/1.1: " + (error ? error.message() : "it goes on") + ".");
    }
    eager(true);
    head_.is_http_1_1 = version_ >= 11;
    head_.is_head = head_.request.method == "HEAD";
    head_.keep_alive = head_.is_http_1_1 && keep_alive();
    STENOD_RETURN_IF_ERROR(check_fields());
    STENOD_ASSIGN_OR_RETURN(RequestTarget target, server::parse_target(head_.target));
    head_.host = target.authority.empty() ? api::find_field(head_.request.headers, "Host") : target.authority;
    head_.request.path = std::move(target.path);
    head_.request.query = std::move(target.query);
    head_.segments = std::move(target.segments);
    return std::move(head_);
  }

  Result<std::size_t> parse_body(std::string_view bytes, std::vector<std::byte>& piece) {
    piece_ = &piece;
    beast::error_code error;
    const std::size_t size = put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    piece_ = nullptr;
    if (error == http::error::need_more) {
      if (bytes.size() - size > kMaxChunkLineBytes)
        return bad_request("A line between chunks of the body is too long.");
    } else if (error == http::error::body_limit) {
      return Error{ErrorCode::kPayloadTooLarge,
                   "The body is longer than " + std::to_string(max_body_bytes_) + " bytes, which is the most here."};
    } else if (error) {
      return bad_request("The body is not validly chunked: " + error.message() + ".");
    }
    return size;
  }

  void set_max_body_bytes(std::uint64_t max_bytes) { max_body_bytes_ = max_bytes; }

 private:
  Status check_fields() {
    api::Fields& headers = head_.request.headers;
    for (const std::string_view name : kSingleFields) {
      const auto is_it = [&](const auto& field) { return api::equals_ignoring_case(field.first, name); };
      if (std::count_if(headers.begin(), headers.end(), is_it) > 1) {
        return bad_request("The field " + std::string(name) + " is there twice.");
      }
    }
    const auto has = [&](std::string_view name) {
      return std::any_of(headers.begin(), headers.end(),
                         [&](const auto& field) { return api::equals_ignoring_case(field.first, name); });
    };
    if (head_.is_http_1_1 && !has("Host")) return bad_request("The field Host is missing.");
    if (has("Transfer-Encoding")) {
      if (has("Content-Length")) return bad_request("The request has both Content-Length and Transfer-Encoding.");
      if (!head_.is_http_1_1) return bad_request("HTTP/1.0 knows no Transfer-Encoding.");
      if (!api::equals_ignoring_case(api::find_field(headers, "Transfer-Encoding"), "chunked")) {
        return Error{ErrorCode::kTransferCodingUnknown, "Transfer-Encoding must be chunked."};
      }
      head_.is_chunked = true;
    }
    if (has("Content-Length")) {
      // Beast also takes a list of equal numbers.
      const std::string_view length = api::find_field(headers, "Content-Length");
      if (length.find_first_not_of("0123456789") != std::string_view::npos) {
        return bad_request("Content-Length is not one number.");
      }
      head_.request.content_length = *content_length();
    }
    const std::string_view expect = api::find_field(headers, "Expect");
    if (!expect.empty() && head_.is_http_1_1) {
      if (!api::equals_ignoring_case(expect, "100-continue")) {
        return Error{ErrorCode::kExpectationFailed, "Expect can be 100-continue only."};
      }
      head_.expects_continue = true;
    }
    return {};
  }

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target, int version,
                       beast::error_code&) override {
    head_.request.method = view(method);
    head_.target = view(target);
    version_ = version;
  }
  void on_field_impl(http::field, beast::string_view name, beast::string_view value, beast::error_code&) override {
    if (!is_header_done()) head_.request.headers.emplace_back(view(name), view(value));  // trailers are ignored
  }
  void on_header_impl(beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code& error) override { return append(body, error); }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view, beast::error_code& error) override {
    if (size > max_body_bytes_ - body_bytes_) error = http::error::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code& error) override {
    return append(body, error);
  }
  void on_finish_impl(beast::error_code&) override {}
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

  std::size_t append(beast::string_view body, beast::error_code& error) {
    if (body.size() > max_body_bytes_ - body_bytes_) {
      error = http::error::body_limit;
      return 0;
    }
    body_bytes_ += body.size();
    const auto* const bytes = reinterpret_cast<const std::byte*>(body.data());
    piece_->insert(piece_->end(), bytes, bytes + body.size());
    return body.size();
  }

  std::size_t max_head_bytes_;
  std::size_t scanned_ = 0;
  RequestHead head_;
  int version_ = 0;
  std::uint64_t max_body_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::vector<std::byte>* piece_ = nullptr;
};

RequestParser::RequestParser(std::size_t max_head_bytes) : impl_(std::make_unique<Impl>(max_head_bytes)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Result<std::optional<std::size_t>> RequestParser::find_head(std::string_view bytes) { return impl_->find_head(bytes); }
Result<RequestHead> RequestParser::parse_head(std::string_view head) { return impl_->parse_head(head); }
void RequestParser::set_max_body_bytes(std::uint64_t max_bytes) { impl_->set_max_body_bytes(max_bytes); }
Result<std::size_t> RequestParser::parse_body(std::string_view bytes, std::vector<std::byte>& piece) {
  return impl_->parse_body(bytes, piece);
}
bool RequestParser::is_done() const { return impl_->is_done(); }

}  // namespace stenod::server
