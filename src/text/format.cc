#include "text/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "text/json_writer.h"
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

constexpr double kMaxSeconds = 3600.0 * 9999;

std::int64_t to_ms(double seconds) { return std::llround(std::fmin(std::fmax(0.0, seconds), kMaxSeconds) * 1000); }

struct IntervalMs {
  std::int64_t start;
  std::int64_t end;
};
template <typename T>
IntervalMs interval_ms(const T& timed) {
  const std::int64_t start = to_ms(timed.start);
  return {start, std::max(start, to_ms(timed.end))};
}

/// "01:02:03,456"; the hours may be left out where they are 0.
std::string clock_time(std::int64_t ms, char decimal_mark, bool always_hours) {
  const std::string hours = ms >= 3600000 || always_hours ? fmt::format("{:02}:", ms / 3600000) : "";
  return fmt::format("{}{:02}:{:02}{}{:03}", hours, ms / 60000 % 60, ms / 1000 % 60, decimal_mark, ms % 1000);
}

// Texts

/// Stripped and on one line: an empty line ends a cue, and a control character is not allowed in some formats.
std::string one_line(std::string_view text) {
  std::string out = to_valid_utf8(strip(text));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return out;
}

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

std::string vtt_text(const Segment& segment) {
  // & and < begin an escape or a tag there (https://www.w3.org/TR/webvtt1/).
  std::string text = replace_all(one_line(segment.text), "-->", "->");
  text = replace_all(replace_all(std::move(text), "&", "&amp;"), "<", "&lt;");
  if (segment.channel && !text.empty()) text = fmt::format("<v {}>{}", *segment.channel, text);
  return text;
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

void write_segment(JsonWriter& json, const Segment& segment) {
  json.open('{');
  write_interval(json, segment);
  json.string("text", segment.text);
  json.number("avg_logprob", segment.avg_logprob, 4);
  json.number("no_speech_prob", segment.no_speech_prob, 4);
  json.number("compression_ratio", segment.compression_ratio, 4);
  json.number("temperature", segment.temperature, 2);
  write_channel(json, segment.channel);
  if (segment.language) json.string("language", *segment.language);
  if (!segment.words.empty()) {
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

std::string write_json(const FileTranscript& result, bool indented, bool with_dropped) {
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
    write_segment(json, segment);
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

std::optional<Format> parse_format(std::string_view name) {
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.name == name; });
  return found == kFormats.end() ? std::nullopt : std::optional(found->format);
}

std::string_view file_extension(Format format) {
  return std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.format == format; })->extension;
}

std::string format_transcript(Format format, const FileTranscript& result) {
  TranscriptWriter writer(format);
  std::string out = writer.begin();
  for (const Segment& segment : result.transcript.segments) out += writer.segment(segment);
  return out + writer.finish(result);
}

std::string format_json_on_one_line(const FileTranscript& result) { return write_json(result, false, true); }

std::string format_segment(const Segment& segment) {
  JsonWriter json(false);
  write_segment(json, segment);
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

std::string TranscriptWriter::begin() const {
  if (format_ == Format::kVtt) return "WEBVTT\n\n";
  if (format_ == Format::kTsv) return "start\tend\ttext\n";
  return {};
}

std::string TranscriptWriter::segment(const Segment& segment) {
  const std::string line = line_of(segment);
  if (line.empty() || is_json(format_)) return {};
  const auto [start, end] = interval_ms(segment);
  switch (format_) {
    case Format::kText:
      return line + '\n';
    case Format::kSrt:
      return fmt::format("{}\n{} --> {}\n{}\n\n", ++num_cues_, clock_time(start, ',', true), clock_time(end, ',', true),
                         replace_all(line, "-->", "->"));
    case Format::kVtt:
      return fmt::format("{} --> {}\n{}\n\n", clock_time(start, '.', false), clock_time(end, '.', false),
                         vtt_text(segment));
    case Format::kTsv:
      return fmt::format("{}\t{}\t{}\n", start, end, line);
    case Format::kJson:
    case Format::kJsonl:
      break;
  }
  return {};
}

std::string TranscriptWriter::finish(const FileTranscript& result) const {
  // jsonl keeps exactly the members that programs know.
  const bool is_whole = format_ == Format::kJson;
  return is_json(format_) ? write_json(result, is_whole, is_whole) : std::string();
}

}  // namespace stenod::text
