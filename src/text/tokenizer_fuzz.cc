// The first byte chooses the parser, the second the vocabulary's size; the rest is the file, or the tokens with 0xFF
// between them. What loads is used.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/words.h"

namespace {

std::vector<std::string> split_at_ff(std::string_view bytes) {
  std::vector<std::string> parts(1);
  for (const char byte : bytes) {
    if (byte == '\xFF') {
      parts.emplace_back();
    } else {
      parts.back() += byte;
    }
  }
  return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using stenod::text::Tokenizer;
  if (size < 2) return 0;
  const std::string_view contents(reinterpret_cast<const char*>(data) + 2, size - 2);
  const int vocab_size = Tokenizer::kNumTimestamps + data[1];
  auto tokenizer = data[0] % 4 == 0   ? Tokenizer::from_tokenizer_json(contents, vocab_size, "fuzz")
                   : data[0] % 4 == 1 ? Tokenizer::from_vocabulary_json(contents, vocab_size, "fuzz")
                   : data[0] % 4 == 2 ? Tokenizer::from_vocabulary_txt(contents, vocab_size, "fuzz")
                                      : Tokenizer::from_tokens(split_at_ff(contents), vocab_size, "fuzz");
  if (!tokenizer) return 0;

  std::vector<int> all(static_cast<std::size_t>(tokenizer->special().timestamp_begin) + 2);
  std::iota(all.begin(), all.end(), -1);
  const std::string whole = tokenizer->decode(all);
  if (stenod::text::to_valid_utf8(whole) != whole) std::abort();
  for (const int token : tokenizer->encode(contents)) {
    if (!tokenizer->is_text(token)) std::abort();
  }
  for (const std::string_view language : {"en", "ja"}) {
    auto words = stenod::text::split_to_words(*tokenizer, all, language);
    stenod::text::merge_punctuations(words);
  }
  return 0;
}
