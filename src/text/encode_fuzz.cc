// The bytes are a text: encoded and decoded it is the same again, as valid UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

stenod::text::Tokenizer make_tokenizer() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"th", " t", "the", " the", "aa", "aaaa", "  ", "    ", "'s", "\xE3\x81", "\xEF\xBF",
                           "\xEF\xBF\xBD", "\xBD\xEF"}) {
    tokens.emplace_back(text);
  }
  const int num_special = 8 + 99 + stenod::text::Tokenizer::kNumTimestamps;
  return stenod::text::Tokenizer::from_tokens(tokens, static_cast<int>(tokens.size()) + num_special, "fuzz").value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const stenod::text::Tokenizer kTokenizer = make_tokenizer();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<int> tokens = kTokenizer.encode(text);
  for (const int token : tokens) {
    if (!kTokenizer.is_text(token)) std::abort();
  }
  if (kTokenizer.decode(tokens) != stenod::text::to_valid_utf8(text)) std::abort();
  return 0;
}
