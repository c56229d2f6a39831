#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stenod::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

/// What stands at the start of some bytes.
struct Utf8Unit {
  enum class Kind { kCodePoint, kInvalid, kIncomplete };
  Kind kind;
  char32_t code_point;  ///< U+FFFD unless kCodePoint
  std::size_t size;     ///< bytes taken, at least 1
};

/// Reads one code point. Ill-formed bytes are taken by "maximal subparts" (Unicode 15, section 3.9), which is what
/// Rust's, Python's and the browsers' decoders do; kIncomplete: the bytes end inside a sequence that is right so far.
/// Precondition: `bytes` is not empty.
Utf8Unit read_utf8(std::string_view bytes);

/// Appends the UTF-8 of a Unicode scalar value.
void append_utf8(std::string& out, char32_t code_point);

/// The bytes with every ill-formed subpart, an incomplete end too, replaced by U+FFFD: always valid UTF-8.
std::string to_valid_utf8(std::string_view bytes);

/// Code points (U+FFFD for each ill-formed subpart).
std::u32string to_code_points(std::string_view bytes);

/// The UTF-8 of code points; what is no Unicode scalar value becomes U+FFFD.
std::string to_utf8(std::u32string_view code_points);

/// Unicode's White_Space property, and the information separators U+001C to U+001F, as Python's \s has it.
bool is_white_space(char32_t c);

/// Without leading and trailing white space. Views into `text`.
std::string_view strip(std::string_view text);

/// Valid UTF-8, stripped, with a space for each control character: on one line.
std::string one_line(std::string_view text);

}  // namespace stenod::text
