#pragma once

#include <string_view>

namespace stenod::text {

/// How repetitive a text is: its bytes divided by the bytes of its zlib stream at the default level, as Whisper
/// measures it. Real speech stays below about 2; loops go above 2.4. 0 for an empty text.
double compression_ratio(std::string_view utf8);

}  // namespace stenod::text
