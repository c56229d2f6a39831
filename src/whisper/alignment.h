#pragma once

#include <span>
#include <string>
#include <vector>

namespace stenod::whisper {

/// Finds the frame at which each row's token begins, from the attention of the alignment heads: z-score over rows,
/// median over 7 frames, mean over heads, then the cheapest monotone path through the negated matrix (dynamic time
/// warping). As openai-whisper's timing.py, https://github.com/openai/whisper/blob/main/whisper/timing.py
///
/// Takes time in proportion to heads * rows * frames and memory in proportion to rows * frames. Deterministic.
class RowAligner {
 public:
  /// `first_row`: the row from which the first token was chosen; the rows before it only take part in the z-score.
  RowAligner(int num_rows, int num_frames, int first_row);

  /// `weights`: [any number of heads, num_rows, num_frames], soft-maxed over the frames of real audio. Used as scratch.
  void add_heads(std::span<float> weights);
  /// [num_rows - first_row + 1] frames, never falling, the last of which is num_frames.
  std::vector<int> align() const;

 private:
  int num_rows_, num_frames_, first_row_;
  std::vector<float>
      scores_;  ///< [num_rows - first_row, num_frames], summed over heads; only the order of paths counts
  std::vector<float> padded_;
};

/// A word of a segment.
struct WordSpan {
  std::string text;  ///< as written, with its leading space
  int first_token;   ///< index in what was decoded
  int num_tokens;
  double start_s;  ///< seconds from the start of the window
  double end_s;
  float probability;  ///< mean of its tokens' probabilities
};

/// Times and probabilities of words that know their tokens. `row_frames` as RowAligner gives them (entry i belongs to
/// decoded token i); `logprobs`: of the decoded tokens.
void set_word_times(std::span<const int> row_frames, std::span<const float> logprobs, std::span<WordSpan> words);

/// Half of what "too long" means for a word: the median duration of all words of a window, at most 0.7 s.
double typical_word_duration(std::span<const WordSpan> words);

/// Cuts words beside sentence ends to twice `typical_s`: a pause there is taken for part of a word by the attention.
/// Punctuation must still be words of its own. As faster-whisper's add_word_timestamps.
void shorten_words_at_sentence_ends(std::span<WordSpan> words, double typical_s);

/// Cuts the first words after a pause likewise, and settles where a segment's own timestamps and its words' times
/// differ: segment times within half a second of the words follow the words, otherwise the outer words follow the
/// segment. `previous_end_s`: end of the segment before.
void settle_segment_times(std::span<WordSpan> words, double typical_s, double previous_end_s, double& start_s,
                          double& end_s);

}  // namespace stenod::whisper
