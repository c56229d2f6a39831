#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/file.h"
#include "quality/json_record.h"
#include "quality/report.h"
#include "text/json_writer.h"

namespace stenod::quality {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 30;
constexpr int kRateDecimals = 5;
constexpr std::size_t kMaxNameBytes = 256;

void count(text::JsonWriter& json, std::string_view name, std::size_t value) {
  json.literal(name, std::to_string(value));
}

void rate(text::JsonWriter& json, std::string_view name, double value) { json.number(name, value, kRateDecimals); }

void interval(text::JsonWriter& json, const std::string& name, const std::optional<Interval>& value) {
  if (!value) return json.literal(name, "null");
  json.key(name);
  json.open('{');
  rate(json, "low", value->low);
  rate(json, "high", value->high);
  json.close('}');
}

template <typename Range, typename Write>
void array(text::JsonWriter& json, std::string_view name, const Range& range, Write write) {
  json.key(name);
  json.open('[');
  for (const auto& element : range) {
    json.element();
    json.open('{');
    write(element);
    json.close('}');
  }
  json.close(']');
}

void write_errors(text::JsonWriter& json, const EditCounts& words, std::size_t characters,
                  std::size_t character_errors) {
  count(json, "words", words.reference_size());
  count(json, "substitutions", words.substitutions);
  count(json, "deletions", words.deletions);
  count(json, "insertions", words.insertions);
  count(json, "characters", characters);
  count(json, "character_errors", character_errors);
}

void write_info(text::JsonWriter& json, const RunInfo& info) {
  const auto optional = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) json.string(name, value);
  };
  json.string("version", info.version);
  json.string("manifest", info.manifest);
  optional("hypotheses", info.hypotheses);
  optional("model", info.model);
  optional("device", info.device);
  optional("compute_type", info.compute_type);
  optional("cpu_model", info.cpu_model);
  json.key("options");
  json.open('{');
  for (const auto& [name, value] : info.options) json.string(name, value);
  json.close('}');
  json.key("bootstrap");
  json.open('{');
  json.literal("draws", std::to_string(kBootstrapDraws));
  json.literal("seed", std::to_string(kBootstrapSeed));
  json.close('}');
}

void write_group(text::JsonWriter& json, const GroupResult& group) {
  json.string("group", group.name);
  count(json, "recordings", group.num_recordings);
  write_errors(json, group.words, group.characters, group.character_errors);
  rate(json, "word_error_rate", group.word_error_rate.rate);
  interval(json, "word_error_rate_interval", group.word_error_rate.interval);
  rate(json, "character_error_rate", group.character_error_rate.rate);
  interval(json, "character_error_rate_interval", group.character_error_rate.interval);
}

void write_recording(text::JsonWriter& json, const RecordingResult& result) {
  json.string("id", result.id);
  json.string("kind", result.kind);
  json.string("language", result.language);
  if (result.is_speech()) {
    json.string("reference", result.reference);
  } else {
    json.literal("reference", "null");
  }
  json.string("text", result.text);
  if (result.failure) json.string("failure", *result.failure);
  write_errors(json, result.errors.words, result.errors.characters, result.errors.character_errors);
}

void write_difference(text::JsonWriter& json, const std::string& prefix, double before, double after,
                      const PairedDifference& difference) {
  rate(json, prefix + "_error_rate_before", before);
  rate(json, prefix + "_error_rate", after);
  rate(json, prefix + "_error_rate_difference", difference.difference);
  interval(json, prefix + "_error_rate_difference_interval", difference.interval);
  rate(json, prefix + "_error_rate_difference_p", difference.p);
}

void write_comparison(text::JsonWriter& json, const std::string& against, const Comparison& comparison) {
  json.key("comparison");
  json.open('{');
  json.string("against", against);
  array(json, "groups", comparison.groups, [&](const GroupDifference& group) {
    json.string("group", group.name);
    count(json, "recordings", group.num_recordings);
    write_difference(json, "word", group.words_before, group.words_after, group.words);
    write_difference(json, "character", group.characters_before, group.characters_after, group.characters);
  });
  const auto write_change = [&](const RecordingChange& change) {
    json.string("id", change.id);
    count(json, "errors_before", change.errors_before);
    count(json, "errors", change.errors_after);
    count(json, "words", change.words);
  };
  count(json, "num_better", comparison.num_better);
  count(json, "num_worse", comparison.num_worse);
  array(json, "better", comparison.better, write_change);
  array(json, "worse", comparison.worse, write_change);
  count(json, "text_on_non_speech_before", comparison.non_speech_before);
  count(json, "text_on_non_speech", comparison.non_speech_after);
  json.close('}');
}

Result<RecordingResult> read_recording(const JsonRecord& record) {
  RecordingResult out;
  STENOD_ASSIGN_OR_RETURN(out.id, record.name("id", kMaxNameBytes));
  STENOD_ASSIGN_OR_RETURN(out.kind, record.name("kind", kMaxNameBytes));
  STENOD_ASSIGN_OR_RETURN(out.language, record.name("language", kMaxNameBytes));
  STENOD_ASSIGN_OR_RETURN(std::optional<std::string> reference, record.optional_text("reference"));
  out.reference = std::move(reference).value_or("");
  STENOD_ASSIGN_OR_RETURN(out.text, record.text("text"));
  STENOD_ASSIGN_OR_RETURN(out.failure, record.optional_text("failure"));
  EditCounts& words = out.errors.words;
  STENOD_ASSIGN_OR_RETURN(const std::size_t num_words, record.count("words"));
  STENOD_ASSIGN_OR_RETURN(words.substitutions, record.count("substitutions"));
  STENOD_ASSIGN_OR_RETURN(words.deletions, record.count("deletions"));
  STENOD_ASSIGN_OR_RETURN(words.insertions, record.count("insertions"));
  if (words.substitutions + words.deletions > num_words) {
    return record.error("words", "is less than substitutions and deletions");
  }
  words.matches = num_words - words.substitutions - words.deletions;
  STENOD_ASSIGN_OR_RETURN(out.errors.characters, record.count("characters"));
  STENOD_ASSIGN_OR_RETURN(out.errors.character_errors, record.count("character_errors"));
  return out;
}

}  // namespace

std::string report_json(const Report& report) {
  text::JsonWriter json(true);
  json.open('{');
  write_info(json, report.info);
  array(json, "groups", report.evaluation.groups, [&](const GroupResult& group) { write_group(json, group); });

  const auto& recordings = report.evaluation.recordings;
  const auto count_if = [&](auto predicate) {
    return static_cast<std::size_t>(std::count_if(recordings.begin(), recordings.end(), predicate));
  };
  json.key("non_speech");
  json.open('{');
  count(json, "recordings", count_if([](const RecordingResult& result) { return !result.is_speech(); }));
  count(json, "with_text", count_if([](const RecordingResult& result) { return result.has_text_on_non_speech(); }));
  json.close('}');
  if (const auto& timing = report.evaluation.timing) {
    json.key("timing");
    json.open('{');
    count(json, "recordings", timing->num_recordings);
    count(json, "parts", timing->num_parts);
    count(json, "measured", timing->errors_s.size());
    if (!timing->errors_s.empty()) {
      json.number("median_s", quantile(timing->errors_s, 0.5), 3);
      json.number("p90_s", quantile(timing->errors_s, 0.9), 3);
    }
    json.close('}');
  }
  if (report.speed) {
    json.key("speed");
    json.open('{');
    json.number("audio_s", report.speed->audio_s, 3);
    json.number("wall_s", report.speed->wall_s, 3);
    json.number("audio_s_per_wall_s", report.speed->audio_s / report.speed->wall_s, 2);
    rate(json, "real_time_factor", report.speed->wall_s / report.speed->audio_s);
    json.close('}');
  }
  count(json, "failed", report.evaluation.num_failed());
  if (report.comparison) write_comparison(json, report.against, *report.comparison);
  array(json, "recordings", recordings, [&](const RecordingResult& result) { write_recording(json, result); });
  json.close('}');
  return json.take() + '\n';
}

Result<std::vector<RecordingResult>> parse_report(std::string_view contents, std::string_view file) {
  const auto value = parse_json(contents);
  if (!value) return Error{value.error().code, fmt::format("{}: {}", file, value.error().message)};
  STENOD_ASSIGN_OR_RETURN(const JsonRecord report,
                          JsonRecord::of(*value, std::string(file), ErrorCode::kReportMalformed));
  std::vector<RecordingResult> results;
  std::unordered_set<std::string> ids;
  const auto add = [&](const JsonRecord& record) -> Status {
    STENOD_ASSIGN_OR_RETURN(RecordingResult result, read_recording(record));
    if (!ids.insert(result.id).second) return record.error("id", fmt::format("'{}' is there twice", result.id));
    results.push_back(std::move(result));
    return {};
  };
  STENOD_RETURN_IF_ERROR(report.for_each("recordings", add));
  if (results.empty()) {
    return report.error("recordings", "is missing or empty, expected what 'stenod eval --json' wrote");
  }
  return results;
}

Result<std::vector<RecordingResult>> read_report(const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(const std::string contents, read_file(file, kMaxFileBytes));
  return parse_report(contents, file.string());
}

}  // namespace stenod::quality
