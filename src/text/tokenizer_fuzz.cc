// The first byte chooses the parser, the second the vocabulary's size; the rest is the file. What loads is used.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/words.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using stenod::text::Tokenizer;
  if (size < 2) return 0;
  const std::string_view contents(reinterpret_cast<const char*>(data) + 2, size - 2);
  const int vocab_size = Tokenizer::kNumTimestamps + data[1];
  auto tokenizer = data[0] % 3 == 0   ? Tokenizer::from_tokenizer_json(contents, vocab_size, "fuzz")
                   : data[0] % 3 == 1 ? Tokenizer::from_vocabulary_json(contents, vocab_size, "fuzz")
                                      : Tokenizer::from_vocabulary_txt(contents, vocab_size, "fuzz");
  if (!tokenizer) return 0;

  std::vector<int> all(static_cast<std::size_t>(tokenizer->special().timestamp_begin) + 2);
  std::iota(all.begin(), all.end(), -1);
  const std::string whole = tokenizer->decode(all);
  if (stenod::text::to_valid_utf8(whole) != whole) std::abort();
  for (const std::string_view language : {"en", "ja"}) {
    auto words = stenod::text::split_to_words(*tokenizer, all, language);
    stenod::text::merge_punctuations(words);
  }
  return 0;
}
