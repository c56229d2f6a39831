#include "api/transcription_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "api/decoding_fields.h"
#include "api/multipart.h"
#include "api/request_fields.h"
#include "text/language.h"

namespace stenod::api {
namespace {

void read_language(RequestFields& fields, transcribe::FileOptions& file) {
  const std::string value = fields.text("language").value_or("");
  if (value.empty() || value == "auto") return;
  const text::Language* language = text::find_language(value);
  if (language == nullptr) {
    fields.fail(ErrorCode::kInvalidArgument, "language", "unknown, expected auto or a code such as en, de, zh");
    return;
  }
  file.language = std::string(language->code);
}

void read_model(RequestFields& fields, std::span<const ServedModel> models, const std::string& name,
                const ServedModel*& model) {
  if (const auto found = find_model(models, name)) {
    model = *found;
  } else {
    fields.fail(found.error());
  }
}

void check_task(RequestFields& fields, const ServedModel* model, whisper::Task task, std::string_view param) {
  if (model == nullptr || task != whisper::Task::kTranslate || model->recogniser->dims().multilingual()) return;
  fields.fail(ErrorCode::kInvalidArgument, param,
              fmt::format("the model {} knows only English and can't translate", model->name));
}

/// What the transcriber would refuse as well, but only when a file's turn has come.
void check_together(RequestFields& fields, const ServedModel* model, const transcribe::FileOptions& file) {
  if (const Status checked = transcribe::check_options(file); !checked) fields.fail(checked.error());
  if (model != nullptr && file.multilingual && !model->recogniser->dims().multilingual()) {
    fields.fail(ErrorCode::kInvalidArgument, "multilingual",
                fmt::format("the model {} knows only English", model->name));
  }
}

struct AcceptedType {
  std::string_view type;
  std::optional<text::Format> format;  ///< absent: server-sent events
};
constexpr std::array<AcceptedType, 7> kAcceptedTypes = {{{"application/json", text::Format::kJson},
                                                         {"text/event-stream", std::nullopt},
                                                         {"text/plain", text::Format::kText},
                                                         {"text/vtt", text::Format::kVtt},
                                                         {"application/x-subrip", text::Format::kSrt},
                                                         {"text/tab-separated-values", text::Format::kTsv},
                                                         {"application/jsonl", text::Format::kJsonl}}};

void read_accept(std::string_view accept, TranscribeRequest& request) {
  std::array<std::string_view, kAcceptedTypes.size()> types;
  std::transform(kAcceptedTypes.begin(), kAcceptedTypes.end(), types.begin(), [](const auto& t) { return t.type; });
  const std::string_view type = preferred_type(accept, types);
  const auto found =
      std::find_if(kAcceptedTypes.begin(), kAcceptedTypes.end(), [&](const auto& t) { return t.type == type; });
  request.stream = !found->format.has_value();
  request.format = found->format.value_or(request.format);
}

/// `format_field`: the one that says whether the answer is subtitles.
text::SubtitleOptions read_subtitles(RequestFields& fields, bool are_written, std::string_view format_field) {
  text::SubtitleOptions subtitles;
  subtitles.max_line_width = fields.whole_number("max_line_width", 1, text::kMaxLineWidth);
  subtitles.max_line_count = fields.whole_number("max_line_count", 1, text::kMaxLineCount);
  subtitles.max_words_per_line = fields.whole_number("max_words_per_line", 1, text::kMaxWordsPerLine);
  subtitles.highlight_words = fields.flag("highlight_words", false);
  if (subtitles.max_line_count && !subtitles.max_line_width) {
    fields.fail(ErrorCode::kInvalidArgument, "max_line_count", "needs max_line_width");
  }
  if (subtitles.need_words() && !are_written) {
    fields.fail(ErrorCode::kInvalidArgument, format_field,
                "lines and highlighted words are of subtitles; use srt or vtt");
  }
  return subtitles;
}

void read_punctuations(RequestFields& fields, transcribe::FileOptions& file) {
  const auto read = [&](std::string_view name, std::string text::Punctuations::*marks) {
    const auto value = fields.text(name);
    if (!value) return;
    if (value->size() > text::kMaxPunctuationBytes) {
      fields.fail(ErrorCode::kInvalidArgument, name,
                  fmt::format("{} bytes, expected at most {}", value->size(), text::kMaxPunctuationBytes));
      return;
    }
    if (!file.punctuations) file.punctuations.emplace();
    (*file.punctuations).*marks = *value;
  };
  read("prepend_punctuations", &text::Punctuations::prepended);
  read("append_punctuations", &text::Punctuations::appended);
}

/// How the audio is cut is the server's business: what OpenAI has as defaults is taken, nothing else.
void read_chunking_strategy(RequestFields& fields) {
  const std::string strategy = fields.text("chunking_strategy").value_or("auto");
  if (strategy != "auto" && !strategy.empty()) {
    fields.fail(ErrorCode::kNotSupported, "chunking_strategy", "expected auto, or server_vad with its defaults");
  }
  const std::string type = fields.choice("chunking_strategy[type]", {"server_vad"});
  constexpr std::array<std::pair<std::string_view, double>, 3> kDefaults = {
      {{"chunking_strategy[threshold]", 0.5},
       {"chunking_strategy[prefix_padding_ms]", 300},
       {"chunking_strategy[silence_duration_ms]", 200}}};
  for (const auto& [name, by_default] : kDefaults) {
    if (fields.number(name, 0, 1e6).value_or(by_default) != by_default) {
      fields.fail(ErrorCode::kNotSupported, name, fmt::format("only {} is offered", by_default));
    }
  }
}

}  // namespace

Result<const ServedModel*> find_model(std::span<const ServedModel> models, std::string_view name) {
  if (name == kOpenAiModelName) return &models.front();
  for (const ServedModel& model : models) {
    if (model.name == name) return &model;
  }
  std::string names;
  for (const ServedModel& model : models) names += fmt::format("{}{}", names.empty() ? "" : ", ", model.name);
  return Error{ErrorCode::kModelUnknown, fmt::format("this server has no such model; it has {}", names), "model"};
}

std::string_view preferred_type(std::string_view accept, std::span<const std::string_view> offered) {
  std::string_view best = offered.front();
  double best_quality = 0;
  for (const std::string_view type : offered) {
    // The most specific range that matches decides.
    double quality = 0;
    int specificity = 0;
    std::string_view rest = accept;
    while (!rest.empty()) {
      const std::string_view range = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(range.size() + 1, rest.size()));
      const std::string name = media_type(range);
      int specific = 0;
      if (name == type) {
        specific = 3;
      } else if (name.ends_with("/*") && type.starts_with(std::string_view(name).substr(0, name.size() - 1))) {
        specific = 2;
      } else if (name == "*/*") {
        specific = 1;
      }
      if (specific <= specificity) continue;
      specificity = specific;
      std::string q = "1";
      quality = 1;
      if (!read_parameter(range, "q", q)) continue;
      std::from_chars(q.data(), q.data() + q.size(), quality);
    }
    if (quality > best_quality) {
      best = type;
      best_quality = quality;
    }
  }
  return best;
}

Result<TranscribeRequest> parse_transcribe_request(Fields form, std::string_view accept,
                                                   std::span<const ServedModel> models) {
  RequestFields fields(std::move(form));
  TranscribeRequest request;
  read_model(fields, models, fields.text("model").value_or(models.front().name), request.model);
  read_language(fields, request.file);
  if (fields.choice("task", {"transcribe", "translate"}) == "translate") {
    request.file.task = whisper::Task::kTranslate;
    check_task(fields, request.model, request.file.task, "task");
  }
  request.file.word_timestamps = fields.flag("word_timestamps", false);
  request.file.vad = fields.flag("vad_filter", true);
  request.file.split_channels = fields.choice("channels", {"mix", "split"}) == "split";
  read_windows(fields, request.file);
  read_decoding(fields, request.file.decoding);

  read_accept(accept, request);
  if (const auto name = fields.text("format")) {
    const auto format = text::parse_format(*name);
    if (format) {
      request.format = *format;
    } else {
      fields.fail(ErrorCode::kInvalidArgument, "format", "unknown, expected one of text, json, jsonl, srt, vtt, tsv");
    }
  }
  request.stream = fields.flag("stream", request.stream);
  request.layout.words = request.file.word_timestamps;
  request.layout.subtitles = read_subtitles(fields, text::is_subtitles(request.format), "format");
  request.file.word_timestamps = request.file.word_timestamps || request.layout.subtitles.need_words();
  read_punctuations(fields, request.file);
  check_together(fields, request.model, request.file);
  STENOD_RETURN_IF_ERROR(fields.finish());
  return request;
}

Result<OpenAiRequest> parse_openai_request(Fields form, whisper::Task task, std::span<const ServedModel> models) {
  RequestFields fields(std::move(form));
  OpenAiRequest request;
  request.file.task = task;
  if (const auto model = fields.text("model")) {
    read_model(fields, models, *model, request.model);
  } else {
    fields.fail(ErrorCode::kMissingParameter, "model", "you must provide one; GET /v1/models lists them");
  }
  check_task(fields, request.model, task, "model");

  const std::string format =
      fields.choice("response_format", {"json", "text", "srt", "verbose_json", "vtt", "diarized_json"});
  if (format == "diarized_json") {
    fields.fail(ErrorCode::kNotSupported, "response_format", "speakers are not told apart yet; use verbose_json");
  }
  request.format = format == "text"           ? OpenAiFormat::kText
                   : format == "srt"          ? OpenAiFormat::kSrt
                   : format == "verbose_json" ? OpenAiFormat::kVerboseJson
                   : format == "vtt"          ? OpenAiFormat::kVtt
                                              : OpenAiFormat::kJson;
  const bool is_subtitles = request.format == OpenAiFormat::kSrt || request.format == OpenAiFormat::kVtt;
  request.subtitles = read_subtitles(fields, is_subtitles, "response_format");
  read_punctuations(fields, request.file);
  read_openai_decoding(fields, request.file.decoding);

  if (task == whisper::Task::kTranscribe) {
    read_language(fields, request.file);
    const auto granularities = fields.list("timestamp_granularities");
    for (const std::string& granularity : granularities) {
      if (granularity != "word" && granularity != "segment") {
        fields.fail(ErrorCode::kInvalidArgument, "timestamp_granularities", "expected word or segment");
      }
    }
    const auto has = [&](std::string_view name) {
      return std::find(granularities.begin(), granularities.end(), name) != granularities.end();
    };
    if (!granularities.empty() && request.format != OpenAiFormat::kVerboseJson) {
      fields.fail(ErrorCode::kInvalidArgument, "timestamp_granularities", "needs response_format verbose_json");
    }
    request.words = has("word");
    request.segments = has("segment") || granularities.empty();
    request.stream = fields.flag("stream", false);
    if (request.stream && request.format != OpenAiFormat::kJson && request.format != OpenAiFormat::kText) {
      fields.fail(ErrorCode::kInvalidArgument, "response_format", "stream needs json or text");
    }
    read_chunking_strategy(fields);
    fields.not_yet("include", "logprobs of tokens are not offered yet");
    for (const std::string_view name : {"keywords", "languages", "known_speaker_names", "known_speaker_references"}) {
      fields.not_yet(name, "not offered yet; leave it out");
    }
  }
  request.file.word_timestamps = request.words || request.subtitles.need_words();
  STENOD_RETURN_IF_ERROR(fields.finish());
  return request;
}

}  // namespace stenod::api
