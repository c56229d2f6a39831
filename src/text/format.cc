#include "text/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "text/json_writer.h"
#include "text/milliseconds.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

struct FormatNames {
  Format format;
  std::string_view name;
  std::string_view extension;
};
constexpr std::array<FormatNames, 6> kFormats = {{{Format::kText, "text", "txt"},
                                                  {Format::kJson, "json", "json"},
                                                  {Format::kJsonl, "jsonl", "jsonl"},
                                                  {Format::kSrt, "srt", "srt"},
                                                  {Format::kVtt, "vtt", "vtt"},
                                                  {Format::kTsv, "tsv", "tsv"}}};

// Times

/// "01:02:03,456"; the hours may be left out where they are 0.
std::string clock_time(std::int64_t ms, char decimal_mark, bool always_hours) {
  const std::string hours = ms >= 3600000 || always_hours ? fmt::format("{:02}:", ms / 3600000) : "";
  return fmt::format("{}{:02}:{:02}{}{:03}", hours, ms / 60000 % 60, ms / 1000 % 60, decimal_mark, ms % 1000);
}

// Texts

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string line_of(const Segment& segment) {
  std::string line = one_line(segment.text);
  if (segment.channel && !line.empty()) line = fmt::format("[{}] {}", *segment.channel, line);
  return line;
}

/// & and < begin an escape or a tag in WebVTT, and > may end an arrow (https://www.w3.org/TR/webvtt1/).
std::string escape_vtt(std::string text) {
  return replace_all(replace_all(replace_all(std::move(text), "&", "&amp;"), "<", "&lt;"), ">", "&gt;");
}

/// The text of a cue, in which the word `highlighted` is underlined.
std::string text_of(const Cue& cue, std::optional<std::size_t> highlighted, Format format) {
  const bool is_vtt = format == Format::kVtt;
  std::string text;
  if (cue.channel) text = is_vtt ? fmt::format("<v {}>", *cue.channel) : fmt::format("[{}] ", *cue.channel);
  for (std::size_t i = 0; i < cue.words.size(); ++i) {
    const auto& word = cue.words[i];
    const std::string written = is_vtt ? escape_vtt(word.text) : word.text;
    text.append(word.before).append(i == highlighted ? "<u>" + written + "</u>" : written);
  }
  // SubRip has no escapes, and an arrow would be taken for the times of a cue.
  return is_vtt ? text : replace_all(std::move(text), "-->", "->");
}

// JSON

template <typename T>
void write_interval(JsonWriter& json, const T& timed) {
  const auto [start, end] = interval_ms(timed);
  json.milliseconds("start", start);
  json.milliseconds("end", end);
}

void write_channel(JsonWriter& json, const std::optional<int>& channel) {
  if (channel) json.literal("channel", std::to_string(*channel));
}

void write_segment(JsonWriter& json, const Segment& segment, const FormatOptions& options) {
  json.open('{');
  write_interval(json, segment);
  json.string("text", segment.text);
  json.number("avg_logprob", segment.avg_logprob, 4);
  json.number("no_speech_prob", segment.no_speech_prob, 4);
  json.number("compression_ratio", segment.compression_ratio, 4);
  json.number("temperature", segment.temperature, 2);
  write_channel(json, segment.channel);
  if (segment.language) json.string("language", *segment.language);
  if (options.words && !segment.words.empty()) {
    json.key("words");
    json.open('[');
    for (const Word& word : segment.words) {
      json.element();
      json.open('{');
      json.string("word", word.word);
      write_interval(json, word);
      json.number("probability", word.probability, 4);
      json.close('}');
    }
    json.close(']');
  }
  json.close('}');
}

void write_error(JsonWriter& json, const Error& error) {
  json.key("error");
  json.open('{');
  json.string("code", error_name(error.code));
  json.string("message", error.message);
  json.close('}');
}

std::string write_json(const FileTranscript& result, const FormatOptions& options, bool indented, bool with_dropped) {
  const Transcript& transcript = result.transcript;
  JsonWriter json(indented);
  json.open('{');
  json.string("file", result.file);
  json.string("text", transcript.text);
  if (transcript.language.empty()) {
    json.literal("language", "null");
    json.literal("language_probability", "null");
  } else {
    json.string("language", transcript.language);
    json.number("language_probability", transcript.language_probability, 4);
  }
  json.milliseconds("duration", to_ms(transcript.duration));
  json.key("segments");
  json.open('[');
  for (const Segment& segment : transcript.segments) {
    json.element();
    write_segment(json, segment, options);
  }
  json.close(']');
  if (with_dropped) {
    json.key("dropped");
    json.open('[');
    for (const DroppedInterval& dropped : transcript.dropped) {
      json.element();
      json.open('{');
      write_interval(json, dropped);
      json.string("reason", dropped.reason);
      json.string("text", dropped.text);
      write_channel(json, dropped.channel);
      json.close('}');
    }
    json.close(']');
  }
  if (transcript.interrupted) json.literal("interrupted", "true");
  if (result.error) write_error(json, *result.error);
  json.milliseconds("wall_s", to_ms(result.wall_s));
  json.close('}');
  return json.take() + '\n';
}

bool is_json(Format format) { return format == Format::kJson || format == Format::kJsonl; }

}  // namespace

std::span<const Format> all_formats() {
  static const auto all = [] {
    std::array<Format, kFormats.size()> formats = {};
    std::transform(kFormats.begin(), kFormats.end(), formats.begin(), [](const auto& names) { return names.format; });
    return formats;
  }();
  return all;
}

std::optional<Format> parse_format(std::string_view name) {
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.name == name; });
  return found == kFormats.end() ? std::nullopt : std::optional(found->format);
}

std::string_view file_extension(Format format) {
  return std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.format == format; })->extension;
}

std::string format_transcript(Format format, const FileTranscript& result, const FormatOptions& options) {
  TranscriptWriter writer(format, options);
  std::string out = writer.begin();
  for (const Segment& segment : result.transcript.segments) out += writer.segment(segment);
  return out + writer.finish(result);
}

std::string format_json_on_one_line(const FileTranscript& result, const FormatOptions& options) {
  return write_json(result, options, false, true);
}

std::string format_segment(const Segment& segment, const FormatOptions& options) {
  JsonWriter json(false);
  write_segment(json, segment, options);
  return json.take() + '\n';
}

std::string format_error(Format format, std::string_view file, const Error& error) {
  if (!is_json(format)) return {};
  JsonWriter json(format == Format::kJson);
  json.open('{');
  json.string("file", file);
  write_error(json, error);
  json.close('}');
  return json.take() + '\n';
}

TranscriptWriter::TranscriptWriter(Format format, const FormatOptions& options)
    : format_(format), options_(options), cues_(options.subtitles, format == Format::kSrt) {}

std::string TranscriptWriter::begin() const {
  if (format_ == Format::kVtt) return "WEBVTT\n\n";
  if (format_ == Format::kTsv) return "start\tend\ttext\n";
  return {};
}

std::string TranscriptWriter::segment(const Segment& segment) {
  if (is_json(format_)) return {};
  if (is_subtitles(format_)) return write(cues_.add(segment));
  const std::string line = line_of(segment);
  if (line.empty()) return {};
  if (format_ == Format::kText) return line + '\n';
  const auto [start, end] = interval_ms(segment);
  return fmt::format("{}\t{}\t{}\n", start, end, line);
}

std::string TranscriptWriter::finish(const FileTranscript& result) {
  if (is_subtitles(format_)) return write(cues_.finish());
  // jsonl keeps exactly the members that programs know.
  const bool is_whole = format_ == Format::kJson;
  return is_json(format_) ? write_json(result, options_, is_whole, is_whole) : std::string();
}

std::string TranscriptWriter::write(const std::vector<Cue>& cues) {
  const bool is_srt = format_ == Format::kSrt;
  const char mark = is_srt ? ',' : '.';
  std::string out;
  for (const Cue& cue : cues) {
    const std::vector<CuePart> parts =
        options_.subtitles.highlight_words ? highlight_words(cue) : std::vector<CuePart>{{cue.time, std::nullopt}};
    for (const CuePart& part : parts) {
      if (is_srt) out += fmt::format("{}\n", ++num_cues_);
      out += fmt::format("{} --> {}\n{}\n\n", clock_time(part.time.start, mark, is_srt),
                         clock_time(part.time.end, mark, is_srt), text_of(cue, part.word, format_));
    }
  }
  return out;
}

}  // namespace stenod::text
