// encode_text FOLDER VOCAB_SIZE: the tokens of each line of standard input, which is a text in hexadecimal digits, as a
// line of numbers. tests/functional/test_tokenizer.py compares them with those of Hugging Face's tokenizers.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace {

std::string bytes_of(std::string_view hexadecimal) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hexadecimal.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: encode_text FOLDER VOCAB_SIZE\n";
    return 2;
  }
  const auto tokenizer = stenod::text::Tokenizer::load(argv[1], std::atoi(argv[2]));
  if (!tokenizer) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << fmt::format("{}\n", fmt::join(tokenizer->encode(bytes_of(line)), " "));
  }
}
