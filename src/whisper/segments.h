#pragma once

#include <span>
#include <vector>

#include "whisper/alignment.h"
#include "whisper/hypothesis.h"
#include "whisper/special_tokens.h"

namespace stenod::whisper {

/// A stretch of text with its times, in seconds from the start of the window.
struct SegmentSpan {
  double start_s;
  double end_s;
  int first_token;  ///< index of its first text token in what was decoded
  int num_tokens;   ///< text tokens, which follow one another
};

/// Cuts what was decoded at its timestamps. A segment without an opening timestamp starts where the one before it
/// ended, one without a closing timestamp ends with the audio. Times lie in [0, real_frames * 20 ms] and never fall.
std::vector<SegmentSpan> split_segments(const SpecialTokens& tokens, std::span<const int> decoded, int real_frames);

/// Where a text with timestamps leaves off, for whoever goes on from there.
struct SeekPoint {
  int frame = 0;       ///< encoder frames from the window's start: where the next window is to begin; at least 1
  int num_tokens = 0;  ///< of what was decoded; the segment that stands behind them is to be had again from `frame` on
  /// Text and one timestamp stand at the end: nothing was said after it.
  bool ends_with_single_timestamp = false;
};

/// The rules of openai-whisper's transcribe.py. Timestamps in pairs stand between complete segments: the next window
/// begins with the last pair, unless the text ends with a single one. Without any pair, or with a single one at the
/// end, the window is done. Beyond those: text that was broken off (`finish`) with a single timestamp has not heard the
/// window's end, so the next window begins there, if that is a second on at least.
SeekPoint find_seek_point(const SpecialTokens& tokens, std::span<const int> decoded, int real_frames,
                          FinishReason finish);

/// Where to cut words into segments, for text that was written without timestamps: gives the index after each segment's
/// last word, the last one being words.size(). A segment ends with a sentence (but not after a title as in "Mr."), at a
/// pause of more than kLongPause_s, and before it gets longer than kMaxSegment_s: then at its longest pause.
std::vector<std::size_t> cut_at_sentences(std::span<const WordSpan> words);

inline constexpr double kLongPause_s = 1.5;
inline constexpr double kMaxSegment_s = 12;

}  // namespace stenod::whisper
