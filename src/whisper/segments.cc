#include "whisper/segments.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "whisper/decoding_options.h"

namespace stenod::whisper {
namespace {

/// "J", "U.S", "p.m": what stands before a dot that ends no sentence, or may not.
bool is_initials(std::string_view word) {
  if (word.size() == 1) return word[0] >= 'A' && word[0] <= 'Z';
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (i % 2 == 0 ? !letter : c != '.') return false;
  }
  return word.size() % 2 == 1;
}

/// Whether `word` ends with a mark that ends sentences, quotation marks and brackets behind it passed over, and is no
/// title or initial. `next`: the word after it.
bool ends_sentence(std::string_view word, std::string_view next) {
  constexpr std::string_view kBehind[] = {"\"", "'", ")", "]", "”", "’", "»", "」"};
  constexpr std::string_view kMarks[] = {"?", "!", "…", "。", "？", "！", "।", "؟"};
  constexpr std::string_view kTitles[] = {"mr", "mrs", "ms", "dr", "st", "prof", "sr", "jr", "vs", "mt"};
  const auto strip = [&word](std::string_view end) {
    if (word.size() <= end.size() || !word.ends_with(end)) return false;
    word.remove_suffix(end.size());
    return true;
  };
  while (std::any_of(std::begin(kBehind), std::end(kBehind), strip)) {
  }
  if (std::any_of(std::begin(kMarks), std::end(kMarks), [&](std::string_view mark) { return word.ends_with(mark); })) {
    return true;
  }
  if (!strip(".")) return false;
  if (word.ends_with('.')) return true;  // an ellipsis
  if (const auto space = word.rfind(' '); space != word.npos) word.remove_prefix(space + 1);
  std::string lower;
  for (const char c : word) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower == "no") {  // an answer, or a number's sign
    const auto digit = next.find_first_not_of(' ');
    return digit == next.npos || next[digit] < '0' || next[digit] > '9';
  }
  return !is_initials(word) && std::find(std::begin(kTitles), std::end(kTitles), lower) == std::end(kTitles);
}

}  // namespace

std::vector<SegmentSpan> split_segments(const SpecialTokens& tokens, std::span<const int> decoded, int real_frames) {
  std::vector<SegmentSpan> segments;
  int begin_frame = 0;
  int first_token = -1;  // of the open segment
  const auto close = [&](int end_frame, int end_token) {
    if (first_token >= 0) {
      segments.push_back({begin_frame * kSecondsPerEncoderFrame, end_frame * kSecondsPerEncoderFrame, first_token,
                          end_token - first_token});
    }
    first_token = -1;
    begin_frame = end_frame;
  };

  const int num_decoded = static_cast<int>(decoded.size());
  for (int i = 0; i < num_decoded; ++i) {
    if (tokens.is_timestamp(decoded[i])) {
      close(std::clamp(decoded[i] - tokens.timestamp_begin, std::min(begin_frame, real_frames), real_frames), i);
    } else if (tokens.is_text(decoded[i]) && first_token < 0) {
      first_token = i;
    }
  }
  close(real_frames, num_decoded);
  return segments;
}

SeekPoint find_seek_point(const SpecialTokens& tokens, std::span<const int> decoded, int real_frames,
                          FinishReason finish) {
  constexpr int kLeastProgress = 50;
  const auto is_timestamp = [&](std::size_t i) { return tokens.is_timestamp(decoded[i]); };
  const auto frame_of = [&](std::size_t i) { return std::min(decoded[i] - tokens.timestamp_begin, real_frames); };
  const std::size_t size = decoded.size();
  SeekPoint point{.frame = real_frames, .num_tokens = static_cast<int>(size)};
  point.ends_with_single_timestamp = size >= 2 && is_timestamp(size - 1) && !is_timestamp(size - 2);
  if (point.ends_with_single_timestamp) {
    if (finish != FinishReason::kEndOfText && frame_of(size - 1) >= kLeastProgress) {
      point.frame = frame_of(size - 1);
      point.ends_with_single_timestamp = false;
    }
    return point;
  }
  for (std::size_t i = size; i-- > 1;) {
    if (!is_timestamp(i) || !is_timestamp(i - 1)) continue;
    point.frame = std::max(1, frame_of(i - 1));
    point.num_tokens = static_cast<int>(i);
    break;
  }
  return point;
}

std::vector<std::size_t> cut_at_sentences(std::span<const WordSpan> words) {
  std::vector<std::size_t> ends;
  std::size_t begin = 0;
  const auto cut = [&](std::size_t end) {
    // A sentence without a pause for a long time: halved at its longest one, and so on.
    while (words[end - 1].end_s - words[begin].start_s > kMaxSegment_s && end - begin > 1) {
      std::size_t best = begin + 1;
      double longest = -1;
      for (std::size_t i = begin + 1; i < end && words[i - 1].end_s - words[begin].start_s <= kMaxSegment_s; ++i) {
        const double pause = words[i].start_s - words[i - 1].end_s;
        if (pause < longest) continue;
        longest = pause;
        best = i;
      }
      ends.push_back(best);
      begin = best;
    }
    ends.push_back(end);
    begin = end;
  };
  for (std::size_t i = 1; i < words.size(); ++i) {
    const bool pause = words[i].start_s - words[i - 1].end_s > kLongPause_s;
    if (pause || ends_sentence(words[i - 1].text, words[i].text)) cut(i);
  }
  if (begin < words.size()) cut(words.size());
  return ends;
}

}  // namespace stenod::whisper
