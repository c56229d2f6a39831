#include "text/words.h"

#include <cstddef>
#include <utility>

#include "text/language.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

// Python's string.punctuation. Like the originals, a word is punctuation when it is a part of this string.
constexpr std::string_view kAsciiPunctuation = R"(!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~)";

bool contains(std::string_view all, std::string_view part) { return all.find(part) != std::string_view::npos; }

std::vector<WordTokens> split_at_characters(const Tokenizer& tokenizer, std::span<const int> tokens) {
  const std::u32string whole = to_code_points(tokenizer.decode_with_timestamps(tokens));
  std::vector<WordTokens> words;
  std::vector<int> current;
  std::size_t offset = 0;  // of `current` in `whole`
  for (const int token : tokens) {
    current.push_back(token);
    std::string decoded = tokenizer.decode_with_timestamps(current);
    const std::u32string characters = to_code_points(decoded);
    const std::size_t replaced = characters.find(kReplacementCharacter);
    // A replacement character says that the tokens end inside a character, unless the whole text has it there too.
    if (replaced != std::u32string::npos &&
        (offset + replaced >= whole.size() || whole[offset + replaced] != kReplacementCharacter)) {
      continue;
    }
    offset += characters.size();
    words.push_back({std::move(decoded), std::exchange(current, {})});
  }
  return words;
}

}  // namespace

std::vector<WordTokens> split_to_words(const Tokenizer& tokenizer, std::span<const int> tokens,
                                       std::string_view language_code) {
  std::vector<WordTokens> pieces = split_at_characters(tokenizer, tokens);
  if (is_written_without_spaces(language_code)) return pieces;

  std::vector<WordTokens> words;
  for (WordTokens& piece : pieces) {
    const bool is_special = piece.tokens.front() >= tokenizer.special().eot;
    if (words.empty() || is_special || piece.word.starts_with(' ') || contains(kAsciiPunctuation, strip(piece.word))) {
      words.push_back(std::move(piece));
    } else {
      words.back().word += piece.word;
      words.back().tokens.insert(words.back().tokens.end(), piece.tokens.begin(), piece.tokens.end());
    }
  }
  return words;
}

void merge_punctuations(std::span<WordTokens> words, std::string_view prepended, std::string_view appended) {
  const auto join = [](WordTokens& left, WordTokens& right, WordTokens& into) {
    left.word += right.word;
    left.tokens.insert(left.tokens.end(), right.tokens.begin(), right.tokens.end());
    WordTokens joined = std::exchange(left, {});
    right = {};
    into = std::move(joined);
  };
  for (std::size_t following = words.size(), i = words.size(); i-- > 0;) {
    WordTokens& previous = words[i];
    if (following < words.size() && previous.word.starts_with(' ') && contains(prepended, strip(previous.word))) {
      join(previous, words[following], words[following]);
    } else {
      following = i;
    }
  }
  for (std::size_t previous = 0, i = 1; i < words.size(); ++i) {
    if (!words[previous].word.ends_with(' ') && contains(appended, words[i].word)) {
      join(words[previous], words[i], words[previous]);
    } else {
      previous = i;
    }
  }
}

}  // namespace stenod::text
