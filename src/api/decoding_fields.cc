#include "api/decoding_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stenod::api {
namespace {

// A model reads 223 tokens of a prompt; no token has more bytes than this on average.
constexpr std::size_t kMaxPromptBytes = 8000;

void read_text(RequestFields& fields, std::string_view name, std::string& text) {
  text = fields.text(name).value_or(text);
  if (text.size() > kMaxPromptBytes) {
    fields.fail(ErrorCode::kInvalidArgument, name, fmt::format("too long, expected at most {} bytes", kMaxPromptBytes));
  }
}

template <typename T>
void read_number(RequestFields& fields, std::string_view name, double min, double max, T& value) {
  if (const auto number = fields.number(name, min, max)) value = static_cast<T>(*number);
}

/// The numbers of "0,0.2,0.4". None: something else.
template <typename T>
std::optional<std::vector<T>> parse_list(std::string_view text) {
  std::vector<T> values;
  while (!text.empty()) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    values.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return values;
}

void read_temperatures(RequestFields& fields, std::vector<float>& temperatures) {
  const auto text = fields.text("temperature");
  if (!text) return;
  const auto parsed = parse_list<float>(*text);
  bool is_right = parsed && !parsed->empty() && parsed->size() <= whisper::kMaxTemperatures;
  if (is_right) {
    for (const float value : *parsed) is_right = is_right && value >= 0 && value <= whisper::kMaxTemperature;
  }
  if (!is_right) {
    fields.fail(ErrorCode::kInvalidArgument, "temperature",
                fmt::format("expected a number from 0 to {}, or up to {} as 0,0.2,0.4", whisper::kMaxTemperature,
                            whisper::kMaxTemperatures));
    return;
  }
  temperatures = *parsed;
}

}  // namespace

void read_decoding(RequestFields& fields, transcribe::DecodingSettings& settings) {
  auto& search = settings.search;
  search.beam_size = fields.whole_number("beam_size", 1, whisper::kMaxBranches).value_or(search.beam_size);
  search.best_of = fields.whole_number("best_of", 1, whisper::kMaxBranches).value_or(search.best_of);
  read_number(fields, "patience", 0.01, 100, search.patience);
  read_number(fields, "length_penalty", -10, 10, search.length_penalty);
  read_number(fields, "repetition_penalty", 0.01, 100, search.repetition_penalty);
  search.no_repeat_ngram_size =
      fields.whole_number("no_repeat_ngram_size", 0, whisper::kMaxNgramSize).value_or(search.no_repeat_ngram_size);
  read_temperatures(fields, search.temperatures);
  search.seed = static_cast<std::uint64_t>(
      fields.whole_number("seed", 0, std::numeric_limits<int>::max()).value_or(static_cast<int>(search.seed)));
  auto& thresholds = settings.thresholds;
  read_number(fields, "compression_ratio_threshold", 0, 1000, thresholds.compression_ratio);
  read_number(fields, "log_prob_threshold", -100, 0, thresholds.avg_logprob);
  read_number(fields, "no_speech_threshold", 0, 1, thresholds.no_speech_prob);
  settings.max_initial_timestamp_s = fields.number("max_initial_timestamp", 0, 30);
  read_text(fields, "prompt", settings.initial_prompt);
  read_text(fields, "hotwords", settings.hotwords);
  read_text(fields, "prefix", settings.prefix);
  settings.suppress_blank = fields.flag("suppress_blank", settings.suppress_blank);
  if (const auto text = fields.text("suppress_tokens")) {
    settings.suppress_tokens = parse_list<int>(*text);
    if (!settings.suppress_tokens || settings.suppress_tokens->size() > 1000) {
      fields.fail(ErrorCode::kInvalidArgument, "suppress_tokens", "expected numbers of tokens as -1,50,200");
    }
  }
}

void read_windows(RequestFields& fields, transcribe::FileOptions& file) {
  file.full_window = fields.flag("full_window", false);
  if (const auto text = fields.text("clip_timestamps")) {
    if (auto timestamps = parse_list<double>(*text)) {
      file.clip_timestamps = *std::move(timestamps);
    } else {
      fields.fail(ErrorCode::kInvalidArgument, "clip_timestamps",
                  "expected START,END,START,END,... in seconds; the last END may be missing");
    }
  }
  file.multilingual = fields.flag("multilingual", false);
  file.language_detection_segments =
      fields.whole_number("language_detection_segments", 1, transcribe::kMaxDetectionSegments)
          .value_or(file.language_detection_segments);
  read_number(fields, "language_detection_threshold", 0, 1, file.language_detection_threshold);
  file.sequential = fields.flag("sequential", false);
  file.condition_on_previous_text = fields.flag("condition_on_previous_text");
  file.prompt_reset_on_temperature = fields.number("prompt_reset_on_temperature", 0, 10);
  file.hallucination_silence_threshold_s = fields.number("hallucination_silence_threshold", 0, 3600);
}

void read_openai_decoding(RequestFields& fields, transcribe::DecodingSettings& settings) {
  const double temperature = fields.number("temperature", 0, 1).value_or(0);
  if (temperature > 0) settings.search.temperatures = {static_cast<float>(temperature)};
  read_text(fields, "prompt", settings.initial_prompt);
}

}  // namespace stenod::api
