// Any bytes as a text to be compared: what comes out is valid UTF-8 without what the rules remove.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/normaliser.h"
#include "text/unicode.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::text;
  if (size > 64 * 1024) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string english = normalise_english(text);
  const std::string basic = normalise_basic(text);
  if (to_valid_utf8(english) != english || to_valid_utf8(basic) != basic) std::abort();
  for (const char32_t c : to_code_points(basic)) {
    const MajorCategory kind = major_category(c);
    if (kind == MajorCategory::kMark || kind == MajorCategory::kPunctuation) std::abort();
  }
  if (english.find("  ") != english.npos || basic.find("  ") != basic.npos) std::abort();
  return 0;
}
