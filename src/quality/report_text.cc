#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "quality/report.h"
#include "text/utf8.h"

namespace stenod::quality {
namespace {

constexpr std::size_t kMaxListed = 10;
constexpr std::size_t kMaxExcerpt = 70;

/// The beginning of a text, on one line.
std::string excerpt(std::string_view text, std::size_t max_characters = kMaxExcerpt) {
  std::u32string characters = text::to_code_points(text::strip(text));
  if (characters.size() > max_characters) {
    characters.resize(max_characters - 1);
    characters += U'…';
  }
  std::replace_if(
      characters.begin(), characters.end(), [](char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }, U' ');
  return text::to_utf8(characters);
}

std::string percent(double rate) { return fmt::format("{:.2f}", 100 * rate); }

std::string interval_text(const std::optional<Interval>& interval, bool with_sign = false) {
  if (!interval) return "-";
  return with_sign ? fmt::format("{:+.2f} to {:+.2f}", 100 * interval->low, 100 * interval->high)
                   : fmt::format("{:.2f} to {:.2f}", 100 * interval->low, 100 * interval->high);
}

class Text {
 public:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  void empty_line() { out_ += '\n'; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void write_head(Text& out, const Report& report) {
  const RunInfo& info = report.info;
  if (info.hypotheses.empty()) {
    out.line("{}: model {}, {}, {}", info.version, excerpt(info.model), info.compute_type, info.device);
  } else {
    out.line("{}: texts of {}", info.version, excerpt(info.hypotheses));
  }
  out.line("{} recordings of {}", report.evaluation.recordings.size(), excerpt(info.manifest));
}

void write_groups(Text& out, const std::vector<GroupResult>& groups) {
  if (groups.empty()) return;
  out.empty_line();
  out.line("{:<24} {:>6} {:>7} {:>7}  {:>16} {:>6} {:>6} {:>6} {:>7}  {:>16}", "group", "files", "words", "WER %",
           "95 % interval", "subst.", "del.", "ins.", "CER %", "95 % interval");
  for (const GroupResult& group : groups) {
    out.line("{:<24} {:>6} {:>7} {:>7}  {:>16} {:>6} {:>6} {:>6} {:>7}  {:>16}", excerpt(group.name, 24),
             group.num_recordings, group.words.reference_size(), percent(group.word_error_rate.rate),
             interval_text(group.word_error_rate.interval), group.words.substitutions, group.words.deletions,
             group.words.insertions, percent(group.character_error_rate.rate),
             interval_text(group.character_error_rate.interval));
  }
}

void write_non_speech(Text& out, const std::vector<RecordingResult>& results) {
  const auto num_non_speech =
      std::count_if(results.begin(), results.end(), [](const auto& result) { return !result.is_speech(); });
  if (num_non_speech == 0) return;
  const auto num_with_text =
      std::count_if(results.begin(), results.end(), [](const auto& result) { return result.has_text_on_non_speech(); });
  out.empty_line();
  out.line("Text on {} of {} recordings without speech{}", num_with_text, num_non_speech,
           num_with_text > 0 ? "; the longest:" : "");
  for (const std::size_t index : with_most_errors(results, false, kMaxListed)) {
    out.line("  {:<32} {:>4} words  {}", results[index].id, results[index].errors.words.insertions,
             excerpt(results[index].text));
  }
}

void write_timing(Text& out, const TimingResult& timing) {
  out.empty_line();
  if (timing.errors_s.empty()) {
    out.line("Word times: no first word of the {} parts of {} long recordings was found", timing.num_parts,
             timing.num_recordings);
    return;
  }
  out.line(
      "Word times: median {:.3f} s, 90th percentile {:.3f} s off, at the first words of {} of {} parts of {} long "
      "{}",
      quantile(timing.errors_s, 0.5), quantile(timing.errors_s, 0.9), timing.errors_s.size(), timing.num_parts,
      timing.num_recordings, timing.num_recordings == 1 ? "recording" : "recordings");
}

void write_worst(Text& out, const std::vector<RecordingResult>& results) {
  const auto worst = with_most_errors(results, true, kMaxListed);
  if (worst.empty()) return;
  out.empty_line();
  out.line("Most errors:");
  for (const std::size_t index : worst) {
    const EditCounts& words = results[index].errors.words;
    out.line("  {:<32} {:>5} errors in {:>5} words ({} %)  {}", results[index].id, words.errors(),
             words.reference_size(), percent(rate_of(std::array{word_share(results[index])})),
             excerpt(results[index].text, 40));
  }
}

void write_failed(Text& out, const Evaluation& evaluation) {
  const std::size_t num_failed = evaluation.num_failed();
  if (num_failed == 0) return;
  out.empty_line();
  out.line("{} of {} recordings failed; their missing text counts as deleted:", num_failed,
           evaluation.recordings.size());
  std::size_t num_listed = 0;
  for (const RecordingResult& result : evaluation.recordings) {
    if (!result.failure) continue;
    if (++num_listed > kMaxListed) break;
    out.line("  {:<32} {}", result.id, excerpt(*result.failure, 200));
  }
  if (num_failed > kMaxListed) out.line("  and {} more", num_failed - kMaxListed);
}

void write_changes(Text& out, const char* what, std::size_t count, const std::vector<RecordingChange>& changes) {
  if (changes.empty()) return;
  out.line("{} {}; most:", count, what);
  for (const RecordingChange& change : changes) {
    out.line("  {:<32} {:>5} -> {:>5} errors in {:>5} words", change.id, change.errors_before, change.errors_after,
             change.words);
  }
}

void write_comparison(Text& out, const std::string& against, const Comparison& comparison) {
  out.empty_line();
  out.line("Against {}; a difference below zero is better:", excerpt(against));
  out.line("{:<24} {:>6} {:>8} {:>8} {:>8}  {:>16} {:>6} {:>8} {:>8}  {:>16} {:>6}", "group", "files", "WER was",
           "WER is", "differs", "95 % interval", "p", "CER was", "CER is", "95 % interval", "p");
  for (const GroupDifference& group : comparison.groups) {
    out.line("{:<24} {:>6} {:>8} {:>8} {:>+8.2f}  {:>16} {:>6.3f} {:>8} {:>8}  {:>16} {:>6.3f}",
             excerpt(group.name, 24), group.num_recordings, percent(group.words_before), percent(group.words_after),
             100 * group.words.difference, interval_text(group.words.interval, true), group.words.p,
             percent(group.characters_before), percent(group.characters_after),
             interval_text(group.characters.interval, true), group.characters.p);
  }
  out.line("Text on recordings without speech: {} -> {}", comparison.non_speech_before, comparison.non_speech_after);
  write_changes(out, "recordings have fewer errors", comparison.num_better, comparison.better);
  write_changes(out, "recordings have more errors", comparison.num_worse, comparison.worse);
}

}  // namespace

std::string report_text(const Report& report) {
  Text out;
  write_head(out, report);
  write_groups(out, report.evaluation.groups);
  write_non_speech(out, report.evaluation.recordings);
  if (report.evaluation.timing) write_timing(out, *report.evaluation.timing);
  if (report.speed) {
    out.empty_line();
    out.line("Speed: {:.0f} s of audio in {:.1f} s, {:.1f}x real time (real-time factor {:.4f})", report.speed->audio_s,
             report.speed->wall_s, report.speed->audio_s / report.speed->wall_s,
             report.speed->wall_s / report.speed->audio_s);
  }
  write_worst(out, report.evaluation.recordings);
  write_failed(out, report.evaluation);
  if (report.comparison) write_comparison(out, report.against, *report.comparison);
  return out.take();
}

}  // namespace stenod::quality
