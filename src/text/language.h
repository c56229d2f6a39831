#pragma once

#include <span>
#include <string_view>

namespace stenod::text {

struct Language {
  std::string_view code;           ///< as in the token <|code|>
  std::string_view name;           ///< in English, lower case
  int max_tokens_per_second = 12;  ///< see max_tokens_for()
};

/// The languages of Whisper's tokens, in the order of their ids: 99 since the first models, then yue with large-v3.
std::span<const Language> languages();

/// By code, name or alias ("de", "German", "Castilian"), in any case of ASCII letters; null where there is none.
const Language* find_language(std::string_view code_or_name);

/// Languages written without spaces between words, whose "words" are characters: zh, ja, th, lo, my, yue.
bool is_written_without_spaces(std::string_view code);

/// More text tokens than anyone says in `audio_seconds`: a result that reaches it has gone wrong. 16, for clips of a
/// few words, and for each second a number that depends on what Whisper's byte-pair encoding, made mostly from English,
/// spends on the language's script: 12 for Latin, Cyrillic and East Asian scripts (reference texts of nine such
/// languages need 3 to 5 tokens a second, at most 7); 24 where a character takes about one token (Devanagari, Thai,
/// Arabic, Greek …); 50 where it takes two or three (Burmese, Bengali, Georgian, Amharic …). The last two are 17 to 24
/// characters a second, more than fast speech has. A language that is not known counts as one of the last.
/// Negative seconds count as 0.
int max_tokens_for(std::string_view language_code, double audio_seconds);

}  // namespace stenod::text
