#include "server/response_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <ctime>
#include <utility>

namespace stenod::server {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kDefaultFields{{
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
}};

/// IMF-fixdate (RFC 9110, section 5.6.7), without the locale's names.
std::string http_date(std::time_t now) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

bool is_valid_field(std::string_view name, std::string_view value) {
  const auto is_control = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  const auto is_separator = [&](char c) { return is_control(c) || c == ' ' || c == ':' || c == '\t'; };
  return !name.empty() && std::none_of(name.begin(), name.end(), is_separator) &&
         std::none_of(value.begin(), value.end(), is_control);
}

}  // namespace

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string write_head(api::HttpResponse& response, const ResponseFraming& framing) {
  const auto is_bad = [](const auto& field) { return !is_valid_field(field.first, field.second); };
  if (std::any_of(response.headers.begin(), response.headers.end(), is_bad) ||
      !is_valid_field("Content-Type", response.content_type)) {
    response = api::error_response({ErrorCode::kInternal, "an answer has a header field with control characters"});
  }
  const auto status = static_cast<unsigned>(response.status);
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", status,
                  std::string(boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status))));
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  add("Date", http_date(std::time(nullptr)));
  add("Server", "stenod");
  if (has_body(response.status)) {
    add("Content-Type", response.content_type);
    if (framing.is_chunked) {
      add("Transfer-Encoding", "chunked");
    } else if (!framing.ends_at_close) {
      add("Content-Length", std::to_string(response.body.size()));
    }
  }
  for (const auto& [name, value] : response.headers) add(name, value);
  for (const auto& [name, value] : kDefaultFields) {
    if (api::find_field(response.headers, name).empty()) add(name, value);
  }
  add("Vary", "Origin");
  if (!framing.cors_origin.empty()) {
    add("Access-Control-Allow-Origin", framing.cors_origin);
    add("Access-Control-Expose-Headers", "Location, Retry-After");
  }
  if (!framing.keep_alive) add("Connection", "close");
  head += "\r\n";
  return head;
}

std::string write_chunk(std::string_view piece) {
  if (piece.empty()) return {};
  return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
}

}  // namespace stenod::server
