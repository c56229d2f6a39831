#include "text/json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"
#include "text/utf8.h"

namespace stenod::text {

void JsonWriter::open(char bracket) {
  out_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  --depth_;
  if (!first_) new_line();
  out_ += bracket;
  first_ = false;
}

void JsonWriter::element() {
  if (!first_) out_ += ',';
  if (!first_ && !indented_) out_ += ' ';
  first_ = false;
  new_line();
}

void JsonWriter::key(std::string_view name) {
  element();
  out_ += fmt::format("\"{}\": ", name);
}

void JsonWriter::string(std::string_view name, std::string_view value) {
  key(name);
  out_ += json::serialize(json::string(to_valid_utf8(value)));
}

void JsonWriter::number(std::string_view name, double value, int decimals) {
  key(name);
  if (std::isfinite(value)) {
    std::string digits = fmt::format("{:.{}f}", value, decimals);
    // Not "-0.000".
    if (digits.find_first_of("123456789") == std::string::npos) digits.erase(0, digits.front() == '-' ? 1 : 0);
    out_ += digits;
  } else {
    out_ += "null";
  }
}

void JsonWriter::milliseconds(std::string_view name, std::int64_t ms) {
  key(name);
  out_ += fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}

void JsonWriter::literal(std::string_view name, std::string_view value) {
  key(name);
  out_ += value;
}

void JsonWriter::new_line() {
  if (indented_) out_ += '\n' + std::string(2 * static_cast<std::size_t>(depth_), ' ');
}

}  // namespace stenod::text
