#include "app/transcribe_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "app/option_checks.h"
#include "text/format.h"
#include "text/words.h"

namespace stenod::app {
namespace {

constexpr const char* kTranscribeExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --language de --format vtt vortrag.webm > vortrag.vtt
  stenod transcribe --word-timestamps --format jsonl interview.m4a
  stenod transcribe --channels split --format json call.wav
  stenod transcribe --format srt --output-dir subtitles/ *.mp4
  stenod transcribe --format srt --max-line-width 42 --max-line-count 2 film.mkv

The text goes to standard output, in the order of the files; messages go to
standard error. The exit status is 0 when every file was transcribed, 1 when any
failed, 2 for wrong usage, 130 or 143 after an interruption.)";

/// The formats of "all" or a list such as "srt,json", each once. Nothing where one is unknown.
std::vector<text::Format> parse_formats(std::string_view names) {
  std::vector<text::Format> formats;
  if (names == "all") {
    const auto all = text::all_formats();
    return {all.begin(), all.end()};
  }
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const auto format = text::parse_format(names.substr(begin, end - begin));
    if (!format) return {};
    if (std::find(formats.begin(), formats.end(), *format) == formats.end()) formats.push_back(*format);
    begin = end + 1;
  }
  return formats;
}

std::optional<UsageExit> finish_format(const RawOptions& raw, TranscribeCommand& command) {
  command.formats = parse_formats(raw.format);
  command.layout.words = command.file.word_timestamps;
  if (command.layout.subtitles.need_words()) {
    if (std::none_of(command.formats.begin(), command.formats.end(), text::is_subtitles)) {
      return wrong(
          fmt::format("--format {}: lines and highlighted words are of subtitles; use srt or vtt", raw.format));
    }
    command.file.word_timestamps = true;
  }
  if (command.formats.size() > 1 && command.output_dir.empty()) {
    return wrong(fmt::format("--format {}: one output can't hold several formats; use --output-dir", raw.format));
  }
  const text::Format format = command.formats.front();
  const bool can_follow_itself = format == text::Format::kText || format == text::Format::kJsonl;
  if (command.files.size() > 1 && command.output_dir.empty() && !can_follow_itself) {
    return wrong(fmt::format("--format {}: one output can't hold several files; use --format jsonl or --output-dir",
                             raw.format));
  }
  return std::nullopt;
}

void add_subtitle_options(CLI::App& app, TranscribeCommand& command) {
  text::SubtitleOptions& subtitles = command.layout.subtitles;
  constexpr const char* kGroup = "Subtitles (srt, vtt), by the times of words";
  CLI::Option* const width = app.add_option("--max-line-width", subtitles.max_line_width, "Characters in a line")
                                 ->check(whole_number(1, text::kMaxLineWidth))
                                 ->type_name("N")
                                 ->group(kGroup);
  app.add_option("--max-line-count", subtitles.max_line_count,
                 "Lines in a cue, which is then filled across segments; with --max-line-width")
      ->check(whole_number(1, text::kMaxLineCount))
      ->type_name("N")
      ->needs(width)
      ->group(kGroup);
  app.add_option("--max-words-per-line", subtitles.max_words_per_line, "Words in a cue")
      ->check(whole_number(1, text::kMaxWordsPerLine))
      ->type_name("N")
      ->group(kGroup);
  app.add_flag("--highlight-words", subtitles.highlight_words, "Underline each word while it is spoken")->group(kGroup);
}

void add_punctuation_options(CLI::App& app, transcribe::FileOptions& file) {
  const auto add = [&](const char* name, std::string text::Punctuations::*marks, const char* what) {
    app.add_option_function<std::string>(
           name,
           [&file, marks](const std::string& typed) {
             if (!file.punctuations) file.punctuations.emplace();
             (*file.punctuations).*marks = typed;
           },
           what)
        ->check(CLI::Validator(
            [](const std::string& typed) {
              return typed.size() <= text::kMaxPunctuationBytes
                         ? std::string()
                         : fmt::format("{} bytes, expected at most {}", typed.size(), text::kMaxPunctuationBytes);
            },
            ""))
        ->type_name("MARKS")
        ->default_str(std::string(text::Punctuations().*marks));
  };
  add("--prepend-punctuations", &text::Punctuations::prepended, "Marks that are part of the word after them");
  add("--append-punctuations", &text::Punctuations::appended, "Marks that are part of the word before them");
}

}  // namespace

CLI::App* add_transcribe(CLI::App& app, TranscribeCommand& command, RawOptions& raw) {
  CLI::App* const added =
      app.add_subcommand("transcribe", "Transcribe recordings: anything that FFmpeg reads, of any length");
  added->footer(kTranscribeExamples);
  added->add_option("FILE", command.files, "Audio or video files")->required();
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  add_punctuation_options(*added, command.file);
  const auto are_formats = [](const std::string& typed) -> std::string {
    if (!parse_formats(typed).empty()) return {};
    return fmt::format("unknown '{}', expected text, json, jsonl, srt, vtt or tsv; or some of them with commas, or all",
                       typed);
  };
  added->add_option("--format", raw.format, "What is written; several, or all, with --output-dir: srt,json")
      ->check(CLI::Validator(are_formats, ""))
      ->type_name("FORMAT")
      ->capture_default_str();
  add_subtitle_options(*added, command);
  added->add_option("--output-dir", command.output_dir, "Write one file for each recording there")->type_name("DIR");
  added->add_option("--jobs", command.num_jobs, "Files that are transcribed at once")
      ->check(whole_number(1, 256))
      ->type_name("N")
      ->capture_default_str();
  added->add_flag("--quiet", command.quiet, "No progress bar, and no note about files without speech");
  add_log_level(*added, raw);
  return added;
}

std::optional<UsageExit> finish_transcribe(const CLI::App& app, const RawOptions& raw, TranscribeCommand& command) {
  if (auto problem = finish_engine(app, raw, command.engine)) return problem;
  if (auto problem = finish_format(raw, command)) return problem;
  return finish_file(raw, command.file);
}

}  // namespace stenod::app
