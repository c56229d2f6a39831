#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/line_break.h"
#include "text/milliseconds.h"
#include "text/segment.h"

namespace stenod::text {

/// How subtitles are laid out: openai-whisper's options, with its meaning
/// (https://github.com/openai/whisper/blob/main/whisper/utils.py); docs/formats.md describes them. With none of them
/// each segment is a cue of one line. Counts are positive where they are given.
struct SubtitleOptions {
  std::optional<int> max_line_width = {};  ///< characters, see count_characters(); a longer word has a line of its own
  /// Lines of a cue. Only counts together with `max_line_width`: cues are then filled across segments.
  std::optional<int> max_line_count = {};
  std::optional<int> max_words_per_line = {};  ///< words of a cue
  bool highlight_words = false;                ///< a cue for each word, in which it is underlined

  /// Whether the segments' words are needed.
  bool need_words() const {
    return max_line_width.has_value() || max_line_count.has_value() || max_words_per_line.has_value() ||
           highlight_words;
  }
  bool fill_cues() const { return max_line_width.has_value() && max_line_count.has_value(); }
};

// The most that is taken from outside, which bounds a cue.
inline constexpr int kMaxLineWidth = 1000;
inline constexpr int kMaxLineCount = 10;
inline constexpr int kMaxWordsPerLine = 1000;

struct CueWord {
  std::string_view before;  ///< parts it from the word before: nothing, " " or "\n"
  std::string text;         ///< valid UTF-8 on one line, not escaped
  IntervalMs time;
};

/// What is on the screen for a while.
struct Cue {
  IntervalMs time;
  std::optional<int> channel;
  std::vector<CueWord> words;  ///< at least one
};

/// A part of a cue's time, during which one word, or none, is highlighted.
struct CuePart {
  IntervalMs time;
  std::optional<std::size_t> word;

  bool operator==(const CuePart&) const = default;
};

/// The parts of a cue one after the other, without gaps between words and without parts of no duration; at least one.
std::vector<CuePart> highlight_words(const Cue& cue);

/// Makes cues of segments, as they come. Which words make a cue is what openai-whisper would choose, except that words
/// that are joined without a space stay together and that a cue of one short word takes more from the one before. Lines
/// in a cue are as few as possible and about as long as each other. Owned by one thread.
class CueBuilder {
 public:
  /// `shows_channel`: a line "[1] text" counts its beginning.
  CueBuilder(SubtitleOptions options, bool shows_channel) : options_(options), shows_channel_(shows_channel) {}

  /// The cues that are complete. A segment without words is taken for one word, as is each where no
  /// words are needed.
  std::vector<Cue> add(const Segment& segment);
  /// The rest, at the end.
  std::vector<Cue> finish();

 private:
  /// Words that stay together.
  struct Unit {
    std::vector<CueWord> words;
    bool spaced = false;  ///< a space before it, unless it begins a line
    int width = 0;        ///< characters
    PhraseEnd end = PhraseEnd::kNone;
  };
  /// How much room some units take.
  struct Extent {
    int num_lines = 0;
    int line_width = 0;  ///< of the last line
    int num_units = 0;
  };
  using Units = std::span<const Unit>;

  std::vector<Unit> units_of(const Segment& segment) const;
  std::vector<Cue> take_cues(std::span<const std::size_t> ends);

  int first_line_indent() const;
  int width_of(Units units) const;
  Extent extended(Extent extent, const Unit& unit) const;
  Extent extent_of(Units units) const;
  bool fits_cue(const Extent& extent) const;
  std::vector<std::size_t> cue_ends() const;
  void relieve_last_cue(std::vector<std::size_t>& ends) const;
  std::vector<std::size_t> line_ends(Units units) const;
  Cue make_cue(Units units) const;

  const SubtitleOptions options_;
  const bool shows_channel_;
  std::vector<Unit> group_;     ///< not given out yet; no cue reaches beyond it
  std::optional<int> channel_;  ///< of the group
};

}  // namespace stenod::text
