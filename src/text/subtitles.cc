#include "text/subtitles.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "text/utf8.h"

namespace stenod::text {
namespace {

/// From the start of one word to that of the next: a longer one ends a cue that is filled across segments, as in
/// openai-whisper.
constexpr std::int64_t kLongPauseMs = 3000;

/// A cue or line of one word that is no longer is to be avoided.
constexpr int kShortWord = 7;

/// What makes a break better than another: text on both sides that is about as long, and a phrase that ends there. In
/// squares of characters; one that ends no phrase may be better balanced by up to a third of the line.
constexpr double kWithinPhrase = 1.0 / 18;

double square(double x) { return x * x; }

}  // namespace

std::vector<CuePart> highlight_words(const Cue& cue) {
  std::vector<CuePart> parts;
  std::int64_t last = cue.time.start;
  for (std::size_t i = 0; i < cue.words.size(); ++i) {
    const std::int64_t start = std::max(last, cue.words[i].time.start);
    const std::int64_t end = std::max(start, cue.words[i].time.end);
    if (start == end) continue;  // nobody would see it
    if (start > last) parts.push_back({{last, start}, std::nullopt});
    parts.push_back({{start, end}, i});
    last = end;
  }
  if (last < cue.time.end || parts.empty()) parts.push_back({{last, std::max(last, cue.time.end)}, std::nullopt});
  return parts;
}

std::vector<CueBuilder::Unit> CueBuilder::units_of(const Segment& segment) const {
  std::vector<Unit> units;
  if (!options_.need_words() || segment.words.empty()) {
    CueWord whole{{}, one_line(segment.text), interval_ms(segment)};
    if (whole.text.empty()) return units;
    Unit& unit = units.emplace_back();
    unit.spaced = true;
    unit.width = count_characters(whole.text);
    unit.words.push_back(std::move(whole));
    return units;
  }
  bool spaced = false;
  for (const Word& word : segment.words) {
    CueWord cue_word{{}, one_line(word.word), interval_ms(word)};
    const std::string_view stripped = strip(word.word);
    spaced = spaced || !word.word.starts_with(stripped) || stripped.empty();
    if (stripped.empty()) continue;
    if (!units.empty()) {
      // Times never go back, and words never overlap.
      IntervalMs& before = units.back().words.back().time;
      cue_word.time.start = std::max(cue_word.time.start, before.start);
      cue_word.time.end = std::max(cue_word.time.end, cue_word.time.start);
      before.end = std::min(before.end, cue_word.time.start);
    }
    if (units.empty() || may_break(units.back().words.back().text, cue_word.text, spaced)) {
      units.emplace_back().spaced = spaced;
    } else if (spaced) {
      cue_word.before = " ";
    }
    Unit& unit = units.back();
    unit.width += static_cast<int>(cue_word.before.size()) + count_characters(cue_word.text);
    unit.end = phrase_end(cue_word.text);
    unit.words.push_back(std::move(cue_word));
    spaced = !word.word.ends_with(stripped);
  }
  return units;
}

int CueBuilder::first_line_indent() const {
  return shows_channel_ && channel_
             ? static_cast<int>(std::string_view("[] ").size() + std::to_string(*channel_).size())
             : 0;
}

int CueBuilder::width_of(Units units) const {
  int width = units.front().width;
  for (const Unit& unit : units.subspan(1)) width += (unit.spaced ? 1 : 0) + unit.width;
  return width;
}

CueBuilder::Extent CueBuilder::extended(Extent extent, const Unit& unit) const {
  const int width = (unit.spaced ? 1 : 0) + unit.width;
  ++extent.num_units;
  if (extent.num_lines == 0) return {1, first_line_indent() + unit.width, extent.num_units};
  if (options_.max_line_width && extent.line_width + width > *options_.max_line_width) {
    return {extent.num_lines + 1, unit.width, extent.num_units};
  }
  extent.line_width += width;
  return extent;
}

CueBuilder::Extent CueBuilder::extent_of(Units units) const {
  Extent extent;
  for (const Unit& unit : units) extent = extended(extent, unit);
  return extent;
}

bool CueBuilder::fits_cue(const Extent& extent) const {
  if (options_.max_words_per_line && extent.num_units > *options_.max_words_per_line) return false;
  return !options_.fill_cues() || extent.num_lines <= *options_.max_line_count;
}

/// As much in each cue as fits.
std::vector<std::size_t> CueBuilder::cue_ends() const {
  std::vector<std::size_t> ends;
  Extent extent;
  for (std::size_t i = 0; i < group_.size(); ++i) {
    Extent longer = extended(extent, group_[i]);
    if (!fits_cue(longer)) {
      ends.push_back(i);
      longer = extended({}, group_[i]);
    }
    extent = longer;
  }
  if (!group_.empty()) ends.push_back(group_.size());
  return ends;
}

/// Where the last cue is one short word in the middle of a sentence, shares the last two out again.
void CueBuilder::relieve_last_cue(std::vector<std::size_t>& ends) const {
  if (ends.size() < 2) return;
  const auto is_short = [](Units units) { return units.size() == 1 && units.front().width <= kShortWord; };
  const std::size_t begin = ends.size() < 3 ? 0 : ends[ends.size() - 3];
  std::size_t& split = ends[ends.size() - 2];
  if (!is_short(Units(group_).subspan(split)) || group_[split - 1].end == PhraseEnd::kSentence) return;
  const Units both = Units(group_).subspan(begin);
  const double within_phrase = kWithinPhrase * square(width_of(both) / 2.0);
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t size = 1; size < both.size(); ++size) {
    const Units left = both.first(size);
    const Units right = both.subspan(size);
    if (is_short(left) || is_short(right) || !fits_cue(extent_of(left)) || !fits_cue(extent_of(right))) continue;
    const double cost =
        square(width_of(left)) + square(width_of(right)) + (left.back().end == PhraseEnd::kNone ? within_phrase : 0);
    if (cost >= best) continue;
    best = cost;
    split = begin + size;
  }
}

/// As few lines as possible; of all ways to break them, the one with the least sum of squared lengths, as a paragraph
/// is broken by Knuth and Plass (Breaking Paragraphs into Lines, 1981). Of equal ways the one with the shorter first
/// line, as subtitles have it.
std::vector<std::size_t> CueBuilder::line_ends(Units units) const {
  const auto num_lines = static_cast<std::size_t>(extent_of(units).num_lines);
  if (num_lines == 1) return {units.size()};
  const int max_width = *options_.max_line_width;
  const double within_phrase = kWithinPhrase * square(max_width);
  struct Way {
    double cost = std::numeric_limits<double>::infinity();
    std::size_t begin = 0;  ///< of its last line
  };
  // ways[l][n]: the first n units in l lines.
  std::vector<std::vector<Way>> ways(num_lines + 1, std::vector<Way>(units.size() + 1));
  ways[0][0].cost = 0;
  for (std::size_t line = 1; line <= num_lines; ++line) {
    for (std::size_t end = line; end <= units.size(); ++end) {
      const bool ends_phrase = end == units.size() || units[end - 1].end != PhraseEnd::kNone;
      int width = 0;
      for (std::size_t begin = end; begin-- > line - 1;) {
        width += units[begin].width + (begin + 1 < end && units[begin + 1].spaced ? 1 : 0);
        const int whole_width = width + (begin == 0 ? first_line_indent() : 0);
        if (whole_width > max_width && end - begin > 1) break;
        const double cost = ways[line - 1][begin].cost + square(whole_width) + (ends_phrase ? 0 : within_phrase);
        if (cost <= ways[line][end].cost) ways[line][end] = {cost, begin};
      }
    }
  }
  std::vector<std::size_t> ends(num_lines);
  for (std::size_t line = num_lines, end = units.size(); line > 0; end = ways[line--][end].begin) ends[line - 1] = end;
  return ends;
}

Cue CueBuilder::make_cue(Units units) const {
  Cue cue{{}, channel_, {}};
  std::size_t begin = 0;
  for (const std::size_t end : line_ends(units)) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t first = cue.words.size();
      cue.words.insert(cue.words.end(), units[i].words.begin(), units[i].words.end());
      cue.words[first].before = i == 0 ? "" : i == begin ? "\n" : units[i].spaced ? " " : "";
    }
    begin = end;
  }
  cue.time = {cue.words.front().time.start, cue.words.back().time.end};
  return cue;
}

std::vector<Cue> CueBuilder::take_cues(std::span<const std::size_t> ends) {
  std::vector<Cue> cues;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    cues.push_back(make_cue(Units(group_).subspan(begin, end - begin)));
    begin = end;
  }
  group_.erase(group_.begin(), group_.begin() + static_cast<std::ptrdiff_t>(begin));
  return cues;
}

std::vector<Cue> CueBuilder::add(const Segment& segment) {
  std::vector<Cue> cues;
  const auto append = [&cues](std::vector<Cue> more) { std::move(more.begin(), more.end(), std::back_inserter(cues)); };
  if (segment.channel != channel_) append(finish());
  channel_ = segment.channel;
  bool is_first = true;
  for (Unit& unit : units_of(segment)) {
    if (!group_.empty()) {
      const CueWord& before = group_.back().words.back();
      if (unit.words.front().time.start - before.time.start > kLongPauseMs && options_.fill_cues()) {
        append(finish());
      } else if (is_first && !may_break(before.text, unit.words.front().text, false)) {
        unit.spaced = true;  // as between sentences of scripts that have spaces
      }
    }
    is_first = false;
    group_.push_back(std::move(unit));
  }
  if (!options_.fill_cues()) return finish();
  // The last cue may grow, and the one before may give words to it.
  std::vector<std::size_t> ends = cue_ends();
  ends.resize(ends.size() - std::min<std::size_t>(ends.size(), 2));
  append(take_cues(ends));
  return cues;
}

std::vector<Cue> CueBuilder::finish() {
  std::vector<std::size_t> ends = cue_ends();
  relieve_last_cue(ends);
  return take_cues(ends);
}

}  // namespace stenod::text
