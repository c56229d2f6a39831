#include "api/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace stenod::api {
namespace {

// RFC 2046, section 5.1.1
constexpr std::size_t kMaxBoundary = 70;
constexpr std::string_view kBoundaryCharacters = "'()+_,-./:=? ";

constexpr std::string_view kSpace = " \t";
constexpr std::string_view kTokenEnd = " \t\"(),/:;<=>?@[\\]{}";

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// A name of a field or parameter at the start of `text`, which it is taken from; empty where there is none.
std::string_view take_token(std::string_view& text) {
  const std::string_view token = text.substr(0, text.find_first_of(kTokenEnd));
  text.remove_prefix(token.size());
  return token;
}

/// A quoted text whose opening quote has been taken. Browsers write a quote as %22 and leave backslashes alone; others
/// write \" and \\. False: no closing quote.
bool take_quoted(std::string_view& text, std::string& value) {
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return true;
    if (c == '\\' && !text.empty() && (text.front() == '"' || text.front() == '\\')) {
      c = text.front();
      text.remove_prefix(1);
    }
    value += c;
  }
  return false;
}

}  // namespace

bool read_parameter(std::string_view field, std::string_view parameter, std::string& value) {
  field.remove_prefix(std::min(field.find(';'), field.size()));
  bool found = false;
  while (!field.empty()) {
    if (field.front() != ';') return false;
    field.remove_prefix(1);
    field = field.substr(std::min(field.find_first_not_of(kSpace), field.size()));
    if (field.empty()) break;  // a semicolon at the end does no harm
    const std::string_view name = take_token(field);
    if (name.empty() || field.empty() || field.front() != '=') return false;
    field.remove_prefix(1);
    std::string text;
    if (!field.empty() && field.front() == '"') {
      field.remove_prefix(1);
      if (!take_quoted(field, text)) return false;
    } else {
      // Not only a token: boundaries are often written with characters that would need quotes.
      text = trim(field.substr(0, field.find(';')));
      field.remove_prefix(std::min(field.find(';'), field.size()));
    }
    field = field.substr(std::min(field.find_first_not_of(kSpace), field.size()));
    if (lower(name) != parameter) continue;
    if (std::exchange(found, true)) return false;
    value = std::move(text);
  }
  return true;
}

std::string media_type(std::string_view field) { return lower(trim(field.substr(0, field.find(';')))); }

Result<MultipartParser> MultipartParser::create(std::string_view content_type, MultipartSink& sink,
                                                MultipartLimits limits) {
  if (media_type(content_type) != "multipart/form-data") {
    return Error{ErrorCode::kUnsupportedMediaType, "the body is no form: expected Content-Type multipart/form-data",
                 "Content-Type"};
  }
  const auto bad = [](std::string_view what) {
    return Error{ErrorCode::kMultipartBadBoundary,
                 fmt::format("Content-Type: {}; expected multipart/form-data; boundary=… of 1 to {} characters that "
                             "RFC 2046 allows",
                             what, kMaxBoundary),
                 "Content-Type"};
  };
  std::string boundary;
  if (!read_parameter(content_type, "boundary", boundary)) return bad("its parameters can't be read");
  if (boundary.empty()) return bad("there is no boundary");
  if (boundary.size() > kMaxBoundary) return bad(fmt::format("the boundary has {} characters", boundary.size()));
  for (const char c : boundary) {
    if (!is_alphanumeric(c) && kBoundaryCharacters.find(c) == std::string_view::npos) {
      return bad("the boundary has a character that is not allowed");
    }
  }
  if (boundary.back() == ' ') return bad("the boundary ends with a space");
  return MultipartParser(boundary, sink, limits);
}

Status MultipartParser::push(std::span<const std::byte> bytes) {
  if (status_) status_ = parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return status_;
}

Status MultipartParser::finish() {
  if (status_ && state_ != State::kEpilogue) {
    status_ =
        Error{ErrorCode::kMultipartTruncated, "the form ends without its last boundary; was the transfer cut off?", ""};
  }
  return status_;
}

Status MultipartParser::parse(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::kEpilogue) {
    if (state_ == State::kPreamble || state_ == State::kData) {
      STENOD_RETURN_IF_ERROR(search(bytes));
      continue;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    STENOD_RETURN_IF_ERROR(state_ == State::kHead ? head(c) : after_boundary(c));
  }
  return {};
}

/// Gives out data up to the next delimiter, or all of it but what may be the start of one: in one go, however many
/// false starts there are.
Status MultipartParser::search(std::string_view& bytes) {
  const auto give = [this](std::string_view data) -> Status {
    if (state_ == State::kPreamble || data.empty()) return {};
    return sink_->on_data(data);
  };
  const auto match = [this](std::string_view text) {
    const auto end = std::mismatch(text.begin(), text.end(),
                                   delimiter_.begin() + static_cast<std::ptrdiff_t>(num_matched_), delimiter_.end())
                         .first;
    return static_cast<std::size_t>(end - text.begin());
  };
  std::size_t num_data = 0;
  std::size_t size = match(bytes);  // goes on with what the last piece has begun
  if (num_matched_ > 0) {
    if (size < bytes.size() && num_matched_ + size < delimiter_.size()) {
      // No delimiter after all. Another one can only start at a carriage return, so at none of the characters matched.
      const std::string held = delimiter_.substr(0, num_matched_).substr(num_line_break_);
      num_matched_ = num_line_break_ = 0;
      return give(held);
    }
  } else {
    while (num_data < bytes.size() && (size == 0 || (num_data + size < bytes.size() && size < delimiter_.size()))) {
      num_data = std::min(bytes.find('\r', num_data + size), bytes.size());
      size = match(bytes.substr(num_data));
    }
  }
  const std::string_view data = bytes.substr(0, num_data);
  bytes.remove_prefix(num_data + size);
  num_matched_ += size;
  STENOD_RETURN_IF_ERROR(give(data));
  if (num_matched_ < delimiter_.size()) return {};
  const bool in_part = state_ == State::kData;
  state_ = State::kAfterBoundary;
  return in_part ? sink_->on_part_end() : Status();
}

/// "--" behind the last boundary; behind others padding and a line break.
Status MultipartParser::after_boundary(char c) {
  const auto malformed = [] {
    return Error{
        ErrorCode::kMultipartMalformed,
        "a boundary is followed by something else on its line: expected a line break, or -- after the last one", ""};
  };
  pending_ += c;
  if (pending_ == "\r\n") {
    pending_.clear();
    state_ = State::kHead;
    if (++num_parts_ > limits_.max_parts) {
      return Error{ErrorCode::kMultipartTooManyParts, fmt::format("the form has more than {} parts", limits_.max_parts),
                   ""};
    }
    return {};
  }
  if (pending_ == "--" && state_ == State::kAfterBoundary) {
    state_ = State::kEpilogue;
    return {};
  }
  if (pending_ == " " || pending_ == "\t") {
    pending_.clear();
    state_ = State::kPadding;  // of which there may be any amount
    return {};
  }
  if (pending_ == "\r" || pending_ == "-") return {};
  return malformed();
}

Status MultipartParser::head(char c) {
  pending_ += c;
  if (pending_.size() > limits_.max_header_bytes) {
    return Error{ErrorCode::kMultipartHeaderTooLarge,
                 fmt::format("the head of part {} has more than {} bytes", num_parts_, limits_.max_header_bytes), ""};
  }
  if (pending_ != "\r\n" && !pending_.ends_with("\r\n\r\n")) return {};
  return begin_part();
}

Status MultipartParser::begin_part() {
  const auto bad = [this](std::string_view what) {
    return Error{ErrorCode::kMultipartBadHeader,
                 fmt::format("part {}: {}; expected a head such as Content-Disposition: form-data; name=\"audio\"",
                             num_parts_, what),
                 ""};
  };
  std::string disposition;
  MultipartPart part;
  std::string_view rest = pending_;
  for (auto end = rest.find("\r\n"); end != 0; end = rest.find("\r\n")) {
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (std::any_of(line.begin(), line.end(), [](char c) { return is_control(c) && c != '\t'; })) {
      return bad("a control character stands in its head");
    }
    const std::string name = lower(take_token(line));
    if (name.empty() || line.empty() || line.front() != ':') return bad("a line of its head is no 'name: value'");
    const std::string_view value = trim(line.substr(1));
    if (name == "content-disposition") {
      if (!disposition.empty()) return bad("it has Content-Disposition twice");
      disposition = value;
    } else if (name == "content-type") {
      part.content_type = value;
    } else if (name == "content-transfer-encoding") {
      const std::string encoding = lower(value);
      if (encoding != "binary" && encoding != "8bit" && encoding != "7bit") {
        return bad("its Content-Transfer-Encoding is not supported");  // deprecated by RFC 7578, section 4.7
      }
    }
  }
  if (media_type(disposition) != "form-data") return bad("it has no Content-Disposition form-data");
  if (!read_parameter(disposition, "name", part.name) || !read_parameter(disposition, "filename", part.filename)) {
    return bad("its Content-Disposition can't be read");
  }
  if (part.name.empty()) return bad("it has no name");
  pending_.clear();
  state_ = State::kData;
  num_matched_ = num_line_break_ = 2;
  return sink_->on_part(part);
}

}  // namespace stenod::api
