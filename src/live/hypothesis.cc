#include "live/hypothesis.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace stenod::live {
namespace {

// The one of `endings` that the text has, else nothing.
template <std::size_t N>
std::string_view ending_of(std::string_view text, const std::array<std::string_view, N>& endings) {
  const auto found =
      std::find_if(endings.begin(), endings.end(), [&](std::string_view ending) { return text.ends_with(ending); });
  return found == endings.end() ? std::string_view() : *found;
}

}  // namespace

bool is_trailing_punctuation(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMarks = {".", ",", "?", "!", ";", ":", "…", "。", "，", "、", "？", "！"};
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  for (auto mark = ending_of(text, kMarks); !mark.empty(); mark = ending_of(text, kMarks)) {
    text.remove_suffix(mark.size());
  }
  return text.empty();
}

bool ends_sentence(std::string_view text) {
  constexpr std::array<std::string_view, 7> kClosing = {"\"", "'", ")", "”", "’", "»", "」"};
  constexpr std::array<std::string_view, 8> kEnds = {".", "?", "!", "。", "？", "！", "।", "؟"};
  for (auto mark = ending_of(text, kClosing); !mark.empty(); mark = ending_of(text, kClosing)) {
    text.remove_suffix(mark.size());
  }
  return !ending_of(text, kEnds).empty() && !text.ends_with("...");
}

std::string Hypothesis::text(std::size_t first, std::size_t last) const {
  std::string text;
  for (std::size_t i = first; i < last; ++i) text += words[i].text;
  return text;
}

std::vector<int> Hypothesis::tokens(std::size_t first, std::size_t last) const {
  std::vector<int> tokens;
  for (std::size_t i = first; i < last; ++i)
    tokens.insert(tokens.end(), words[i].tokens.begin(), words[i].tokens.end());
  return tokens;
}

Hypothesis make_hypothesis(const engine::WindowResult& result, const engine::TextFunctions& text) {
  Hypothesis hypothesis;
  if (result.segments.empty()) return hypothesis;
  const engine::Segment& segment = result.segments.front();
  const auto is_lonely_mark = [&](std::string_view word) {
    return hypothesis.words.empty() && is_trailing_punctuation(word);
  };
  if (!segment.words.empty()) {
    hypothesis.has_times = true;
    for (const whisper::WordSpan& word : segment.words) {
      if (is_lonely_mark(word.text)) continue;
      const auto first = segment.tokens.begin() + word.first_token;
      hypothesis.words.push_back(
          {word.text, {first, first + word.num_tokens}, word.start_s, word.end_s, word.probability});
    }
    return hypothesis;
  }
  auto words = text.split_words(segment.tokens, result.language_token);
  text::merge_punctuations(words);
  for (text::WordTokens& word : words) {
    if (word.tokens.empty() || is_lonely_mark(word.word)) continue;
    hypothesis.words.push_back({std::move(word.word), std::move(word.tokens), 0, 0, 0});
  }
  return hypothesis;
}

std::string bare_word(std::string_view word) {
  std::string bare;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0) bare += static_cast<char>(std::tolower(byte));
  }
  return bare;
}

std::size_t num_agreed_words(const Hypothesis& a, const Hypothesis& b) {
  const std::size_t most = std::min(a.words.size(), b.words.size());
  std::size_t n = 0;
  while (n < most && bare_word(a.words[n].text) == bare_word(b.words[n].text)) ++n;
  return n;
}

std::optional<std::size_t> choose_cut(const Hypothesis& hypothesis, std::size_t min_words, std::size_t max_words,
                                      double latest_end_s, double min_pause_s) {
  std::optional<std::size_t> best;
  std::pair<bool, double> best_score{false, -1};
  // A cut lies between two words, so the last one is never before it.
  max_words = std::min(max_words, hypothesis.words.empty() ? 0 : hypothesis.words.size() - 1);
  for (std::size_t n = std::max<std::size_t>(min_words, 1); n <= max_words; ++n) {
    const HypothesisWord& last = hypothesis.words[n - 1];
    if (last.end_s > latest_end_s) break;
    const double pause_s = hypothesis.words[n].start_s - last.end_s;
    const std::pair score{ends_sentence(last.text), pause_s};
    if (!score.first && pause_s < min_pause_s) continue;
    if (score >= best_score) {
      best = n;
      best_score = score;
    }
  }
  return best;
}

}  // namespace stenod::live
