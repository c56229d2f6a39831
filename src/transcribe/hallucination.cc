#include "transcribe/hallucination.h"

#include <algorithm>
#include <string_view>

namespace stenod::transcribe {
namespace {

/// How unlike a spoken word: improbable, too short or too long.
double strangeness(const whisper::WordSpan& word) {
  const double duration = word.end_s - word.start_s;
  double score = word.probability < 0.15f ? 1.0 : 0.0;
  if (duration < 0.133) score += (0.133 - duration) * 15;
  if (duration > 2) score += duration - 2;
  return score;
}

bool is_punctuation(std::string_view word) {
  constexpr std::string_view kMarks = "\"'“¿([{-.。,，!！?？:：”)]}、";
  return kMarks.find(word) != kMarks.npos;
}

/// Whether its first words are mostly strange ones.
bool is_strange(const engine::Segment& segment) {
  constexpr int kMostWords = 8;
  int count = 0;
  double score = 0;
  for (const whisper::WordSpan& word : segment.words) {
    if (count == kMostWords || is_punctuation(word.text)) continue;
    score += strangeness(word);
    ++count;
  }
  return !segment.words.empty() && (score >= 3 || score + 0.01 >= count);
}

}  // namespace

std::optional<HallucinationSkip> find_hallucination(std::span<const engine::Segment> segments,
                                                    const SpokenContext& context) {
  // Close to the edge of a window a pause need not be long.
  constexpr double kNearEdge_s = 2;
  constexpr double kWindow_s = whisper::kMaxEncoderFrames * whisper::kSecondsPerEncoderFrame;
  const double threshold_s = context.threshold_s;
  const auto has_words = [](const engine::Segment& segment) { return !segment.words.empty(); };

  const auto first = std::find_if(segments.begin(), segments.end(), has_words);
  if (first == segments.end()) return std::nullopt;
  // The text may have been written about silence before it: once more from where it begins.
  if (is_strange(*first) && first->start_s > threshold_s) return HallucinationSkip{0, first->start_s};

  double previous_end_s = context.last_speech_s - context.window_start_s;
  for (auto segment = first; segment != segments.end(); ++segment) {
    if (!has_words(*segment)) continue;
    if (is_strange(*segment)) {
      const auto next = std::find_if(segment + 1, segments.end(), has_words);
      const bool is_last = next == segments.end();
      const double next_start_s = is_last ? context.window_s : next->words.front().start_s;
      const bool silence_before = segment->start_s - previous_end_s > threshold_s ||
                                  context.window_start_s + segment->start_s < threshold_s ||
                                  segment->start_s < kNearEdge_s;
      const bool silence_after = next_start_s - segment->end_s > threshold_s || (!is_last && is_strange(*next)) ||
                                 kWindow_s - segment->end_s < kNearEdge_s;
      if (silence_before && silence_after) {
        const bool is_at_end = context.end_s - (context.window_start_s + segment->end_s) < threshold_s;
        return HallucinationSkip{static_cast<std::size_t>(segment - segments.begin()),
                                 is_at_end ? context.end_s - context.window_start_s : std::max(1.0, segment->start_s)};
      }
    }
    previous_end_s = segment->end_s;
  }
  return std::nullopt;
}

}  // namespace stenod::transcribe
