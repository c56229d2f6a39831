#include "text/utf8.h"

#include <algorithm>

namespace stenod::text {
namespace {

template <typename Sink>
void for_each_unit(std::string_view bytes, Sink sink) {
  while (!bytes.empty()) {
    const Utf8Unit unit = read_utf8(bytes);
    sink(bytes.substr(0, unit.size), unit);
    bytes.remove_prefix(unit.size);
  }
}

}  // namespace

Utf8Unit read_utf8(std::string_view bytes) {
  const auto byte_at = [&bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte_at(0);
  if (lead < 0x80) return {Utf8Unit::Kind::kCodePoint, lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Unit::Kind::kInvalid, kReplacementCharacter, 1};

  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte is narrower after these leads: no overlong forms, no surrogates, nothing above U+10FFFF.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code_point = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Utf8Unit::Kind::kIncomplete, kReplacementCharacter, i};
    if (byte_at(i) < low || byte_at(i) > high) return {Utf8Unit::Kind::kInvalid, kReplacementCharacter, i};
    code_point = (code_point << 6) | (byte_at(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Unit::Kind::kCodePoint, code_point, length};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      put(0xE0 | (c >> 12));
    } else {
      put(0xF0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3F));
    }
    put(0x80 | ((c >> 6) & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for_each_unit(bytes, [&out](std::string_view raw, const Utf8Unit& unit) {
    out += unit.kind == Utf8Unit::Kind::kCodePoint ? raw : kReplacementUtf8;
  });
  return out;
}

std::u32string to_code_points(std::string_view bytes) {
  std::u32string out;
  for_each_unit(bytes, [&out](std::string_view, const Utf8Unit& unit) { out += unit.code_point; });
  return out;
}

std::string to_utf8(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (const char32_t c : code_points) {
    const bool is_scalar = c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF);
    append_utf8(out, is_scalar ? c : kReplacementCharacter);
  }
  return out;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  std::size_t begin = text.size();
  std::size_t end = 0;
  std::size_t position = 0;
  for_each_unit(text, [&](std::string_view raw, const Utf8Unit& unit) {
    if (!is_white_space(unit.code_point)) {
      begin = std::min(begin, position);
      end = position + raw.size();
    }
    position += raw.size();
  });
  return begin < end ? text.substr(begin, end - begin) : std::string_view{};
}

std::string one_line(std::string_view text) {
  std::string out = to_valid_utf8(strip(text));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return out;
}

}  // namespace stenod::text
