#include "text/line_break.h"

#include <algorithm>
#include <string>

#include "text/character_width.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

constexpr std::u32string_view kOpening = U"([{¿¡‘“«‹„‚〈《「『【〔〖〘〝（［｛｟｢";
constexpr std::u32string_view kClosing = U")]}’”»›!?…,.;:、。，．；：！？〉》」』】〕〗〙〟）］｝｠｡｣､‐–—〜～％";
/// No line begins with them: small kana and marks that belong to what stands before, and Thai and Lao vowels that do.
constexpr std::u32string_view kFollowing =
    U"ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶー・々〻ゝゞヽヾ゛゜ะาำๅๆฯະາຳໆຯ";
/// No line ends with them: Thai and Lao vowels that are written before their consonant.
constexpr std::u32string_view kLeading = U"เแโใไເແໂໃໄ";
constexpr std::u32string_view kClosingQuotes = U"\"'”’»)]」』）】";
constexpr std::u32string_view kPhraseEnds = U",;:、，；：،؛";
constexpr std::u32string_view kSentenceEnds = U".!?…。！？।؟";

bool contains(std::u32string_view all, char32_t character) { return all.find(character) != all.npos; }

bool consists_of(std::u32string_view text, std::u32string_view characters) {
  return text.find_first_not_of(characters) == text.npos;
}

bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

/// Written with spaces, though wide.
bool is_hangul(char32_t c) {
  return is_between(c, 0x1100, 0x11FF) || is_between(c, 0x3130, 0x318F) || is_between(c, 0xA960, 0xA97F) ||
         is_between(c, 0xAC00, 0xD7FF);
}

/// Thai, Lao, Burmese and Khmer.
bool is_southeast_asian(char32_t c) {
  return is_between(c, 0x0E00, 0x0EFF) || is_between(c, 0x1000, 0x109F) || is_between(c, 0x1780, 0x17FF);
}

}  // namespace

int count_characters(std::string_view text) {
  const CharacterWidth width;
  const std::u32string characters = to_code_points(text);
  return static_cast<int>(
      std::count_if(characters.begin(), characters.end(), [&width](char32_t c) { return width(c) > 0; }));
}

bool may_break(std::string_view before, std::string_view after, bool spaced) {
  if (before.empty() || after.empty()) return true;
  const std::u32string left = to_code_points(before);
  const std::u32string right = to_code_points(after);
  // Where there are spaces, words hold their punctuation: only marks that stand alone belong to a neighbour.
  if (spaced) return !consists_of(left, kOpening) && !consists_of(right, kClosing);
  const char32_t last = left.back();
  const char32_t first = right.front();
  if (contains(kOpening, last) || contains(kLeading, last)) return false;
  if (contains(kClosing, first) || contains(kFollowing, first)) return false;
  const CharacterWidth width;
  const auto breaks = [&width](char32_t c) { return (width(c) == 2 && !is_hangul(c)) || is_southeast_asian(c); };
  return width(first) > 0 && (breaks(last) || breaks(first));
}

PhraseEnd phrase_end(std::string_view word) {
  const std::u32string characters = to_code_points(word);
  const auto last = characters.find_last_not_of(kClosingQuotes);
  if (last == characters.npos) return PhraseEnd::kNone;
  if (contains(kSentenceEnds, characters[last])) return PhraseEnd::kSentence;
  return contains(kPhraseEnds, characters[last]) ? PhraseEnd::kPhrase : PhraseEnd::kNone;
}

}  // namespace stenod::text
