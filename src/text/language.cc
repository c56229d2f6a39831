#include "text/language.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace stenod::text {
namespace {

constexpr int kOneTokenACharacter = 24;
constexpr int kManyTokensACharacter = 50;

constexpr std::array<Language, 100> kLanguages = {{
    {"en", "english"},
    {"zh", "chinese"},
    {"de", "german"},
    {"es", "spanish"},
    {"ru", "russian"},
    {"ko", "korean"},
    {"fr", "french"},
    {"ja", "japanese"},
    {"pt", "portuguese"},
    {"tr", "turkish"},
    {"pl", "polish"},
    {"ca", "catalan"},
    {"nl", "dutch"},
    {"ar", "arabic", kOneTokenACharacter},
    {"sv", "swedish"},
    {"it", "italian"},
    {"id", "indonesian"},
    {"hi", "hindi", kOneTokenACharacter},
    {"fi", "finnish"},
    {"vi", "vietnamese"},
    {"he", "hebrew", kOneTokenACharacter},
    {"uk", "ukrainian"},
    {"el", "greek", kOneTokenACharacter},
    {"ms", "malay"},
    {"cs", "czech"},
    {"ro", "romanian"},
    {"da", "danish"},
    {"hu", "hungarian"},
    {"ta", "tamil", kOneTokenACharacter},
    {"no", "norwegian"},
    {"th", "thai", kOneTokenACharacter},
    {"ur", "urdu", kOneTokenACharacter},
    {"hr", "croatian"},
    {"bg", "bulgarian"},
    {"lt", "lithuanian"},
    {"la", "latin"},
    {"mi", "maori"},
    {"ml", "malayalam", kManyTokensACharacter},
    {"cy", "welsh"},
    {"sk", "slovak"},
    {"te", "telugu", kManyTokensACharacter},
    {"fa", "persian", kOneTokenACharacter},
    {"lv", "latvian"},
    {"bn", "bengali", kManyTokensACharacter},
    {"sr", "serbian"},
    {"az", "azerbaijani"},
    {"sl", "slovenian"},
    {"kn", "kannada", kManyTokensACharacter},
    {"et", "estonian"},
    {"mk", "macedonian"},
    {"br", "breton"},
    {"eu", "basque"},
    {"is", "icelandic"},
    {"hy", "armenian", kOneTokenACharacter},
    {"ne", "nepali", kOneTokenACharacter},
    {"mn", "mongolian", kOneTokenACharacter},
    {"bs", "bosnian"},
    {"kk", "kazakh", kOneTokenACharacter},
    {"sq", "albanian"},
    {"sw", "swahili"},
    {"gl", "galician"},
    {"mr", "marathi", kOneTokenACharacter},
    {"pa", "punjabi", kManyTokensACharacter},
    {"si", "sinhala", kManyTokensACharacter},
    {"km", "khmer", kManyTokensACharacter},
    {"sn", "shona"},
    {"yo", "yoruba", kOneTokenACharacter},
    {"so", "somali"},
    {"af", "afrikaans"},
    {"oc", "occitan"},
    {"ka", "georgian", kManyTokensACharacter},
    {"be", "belarusian"},
    {"tg", "tajik", kOneTokenACharacter},
    {"sd", "sindhi", kOneTokenACharacter},
    {"gu", "gujarati", kManyTokensACharacter},
    {"am", "amharic", kManyTokensACharacter},
    {"yi", "yiddish", kOneTokenACharacter},
    {"lo", "lao", kManyTokensACharacter},
    {"uz", "uzbek"},
    {"fo", "faroese"},
    {"ht", "haitian creole"},
    {"ps", "pashto", kOneTokenACharacter},
    {"tk", "turkmen"},
    {"nn", "nynorsk"},
    {"mt", "maltese"},
    {"sa", "sanskrit", kOneTokenACharacter},
    {"lb", "luxembourgish"},
    {"my", "myanmar", kManyTokensACharacter},
    {"bo", "tibetan", kManyTokensACharacter},
    {"tl", "tagalog"},
    {"mg", "malagasy"},
    {"as", "assamese", kManyTokensACharacter},
    {"tt", "tatar", kOneTokenACharacter},
    {"haw", "hawaiian"},
    {"ln", "lingala"},
    {"ha", "hausa"},
    {"ba", "bashkir", kOneTokenACharacter},
    {"jw", "javanese"},
    {"su", "sundanese"},
    {"yue", "cantonese"},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kAliases = {{
    {"burmese", "my"},
    {"valencian", "ca"},
    {"flemish", "nl"},
    {"haitian", "ht"},
    {"letzeburgesch", "lb"},
    {"pushto", "ps"},
    {"panjabi", "pa"},
    {"moldavian", "ro"},
    {"moldovan", "ro"},
    {"sinhalese", "si"},
    {"castilian", "es"},
    {"mandarin", "zh"},
    {"farsi", "fa"},
    {"jv", "jw"},
    {"iw", "he"},
}};

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return to_lower(a) == b; });
}

}  // namespace

std::span<const Language> languages() { return kLanguages; }

const Language* find_language(std::string_view code_or_name) {
  for (const auto& [alias, code] : kAliases) {
    if (equal_ignoring_case(code_or_name, alias)) code_or_name = code;
  }
  const auto found = std::find_if(kLanguages.begin(), kLanguages.end(), [&](const Language& language) {
    return equal_ignoring_case(code_or_name, language.code) || equal_ignoring_case(code_or_name, language.name);
  });
  return found == kLanguages.end() ? nullptr : &*found;
}

bool is_written_without_spaces(std::string_view code) {
  return code == "zh" || code == "ja" || code == "th" || code == "lo" || code == "my" || code == "yue";
}

int max_tokens_for(std::string_view language_code, double audio_seconds) {
  const Language* language = find_language(language_code);
  const int per_second = language != nullptr ? language->max_tokens_per_second : kManyTokensACharacter;
  // A day of audio, so that no number overflows; a NaN becomes 0.
  const double seconds = std::fmin(std::fmax(0.0, audio_seconds), 86400.0);
  return 16 + static_cast<int>(std::ceil(seconds * per_second));
}

}  // namespace stenod::text
