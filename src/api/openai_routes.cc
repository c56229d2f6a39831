#include "api/openai_routes.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "api/event_stream.h"
#include "base/json.h"
#include "text/json_writer.h"
#include "text/language.h"
#include "text/milliseconds.h"
#include "text/utf8.h"

namespace stenod::api {
namespace {

std::string one_line(json::object object) { return json::serialize(object); }

json::object usage(const text::Transcript& transcript) {
  return {{"type", "duration"}, {"seconds", static_cast<std::int64_t>(std::ceil(transcript.duration))}};
}

template <typename T>
void write_interval(text::JsonWriter& json, const T& timed) {
  const auto [start, end] = text::interval_ms(timed);
  json.milliseconds("start", start);
  json.milliseconds("end", end);
}

void write_segments(text::JsonWriter& json, const std::vector<text::Segment>& segments) {
  json.key("segments");
  json.open('[');
  int id = 0;
  for (const text::Segment& segment : segments) {
    json.element();
    json.open('{');
    json.literal("id", std::to_string(id++));
    json.literal("seek", std::to_string(text::to_ms(segment.start) / 10));  // frames of 10 ms
    write_interval(json, segment);
    json.string("text", segment.text);
    json.literal("tokens", "[]");
    json.number("temperature", segment.temperature, 2);
    json.number("avg_logprob", segment.avg_logprob, 4);
    json.number("compression_ratio", segment.compression_ratio, 4);
    json.number("no_speech_prob", segment.no_speech_prob, 4);
    json.close('}');
  }
  json.close(']');
}

void write_words(text::JsonWriter& json, const std::vector<text::Segment>& segments) {
  json.key("words");
  json.open('[');
  for (const text::Segment& segment : segments) {
    for (const text::Word& word : segment.words) {
      json.element();
      json.open('{');
      json.string("word", text::strip(word.word));
      write_interval(json, word);
      json.close('}');
    }
  }
  json.close(']');
}

std::string verbose_json(const OpenAiRequest& request, const text::Transcript& transcript) {
  const bool translates = request.file.task == whisper::Task::kTranslate;
  const text::Language* language = text::find_language(translates ? "en" : transcript.language);
  text::JsonWriter json(false);
  json.open('{');
  json.string("task", translates ? "translate" : "transcribe");
  json.string("language", language != nullptr ? language->name : "");
  json.milliseconds("duration", text::to_ms(transcript.duration));
  json.string("text", transcript.text);
  if (request.segments) write_segments(json, transcript.segments);
  if (request.words) write_words(json, transcript.segments);
  json.literal("usage", one_line(usage(transcript)));
  json.close('}');
  return json.take();
}

class OpenAiAnswer : public FileAnswer {
 public:
  OpenAiAnswer(const FileRoutes& routes, const access::Principal& principal, std::shared_ptr<HttpReply> reply,
               OpenAiRequest request)
      : FileAnswer(routes, principal, reply), request_(std::move(request)) {
    if (request_.stream) events_.emplace(std::move(reply));
  }

 private:
  void on_progress(const transcribe::FileProgress&) override {
    if (events_) check(events_->keep_alive());
  }
  void on_segment(const text::Segment& segment) override;
  void on_result(transcribe::FileResult result) override;
  void on_error(const Error& error) override;

  const OpenAiRequest request_;
  std::optional<EventStream> events_;
  bool has_text_ = false;
};

void OpenAiAnswer::on_segment(const text::Segment& segment) {
  if (!events_) return;
  // All deltas together are the text, which does not begin with a space.
  std::string delta = text::to_valid_utf8(segment.text);
  if (!has_text_) delta.erase(0, delta.find_first_not_of(' '));
  if (delta.empty()) return;
  has_text_ = true;
  check(events_->send("", one_line({{"type", "transcript.text.delta"}, {"delta", delta}})));
}

void OpenAiAnswer::on_result(transcribe::FileResult result) {
  const text::Transcript& transcript = result.transcript;
  const std::string text = text::to_valid_utf8(transcript.text);
  if (events_) {
    events_->send("", one_line({{"type", "transcript.text.done"}, {"text", text}, {"usage", usage(transcript)}}));
    events_->send("", "[DONE]");
    events_->finish();
    return;
  }
  HttpResponse response;
  response.headers = warning_fields(warnings_of(result));
  response.content_type = "text/plain; charset=utf-8";
  switch (request_.format) {
    case OpenAiFormat::kJson:
      response.content_type = "application/json";
      response.body = one_line({{"text", text}, {"usage", usage(transcript)}});
      break;
    case OpenAiFormat::kVerboseJson:
      response.content_type = "application/json";
      response.body = verbose_json(request_, transcript);
      break;
    case OpenAiFormat::kText:
      response.body = text + "\n";
      break;
    case OpenAiFormat::kSrt:
    case OpenAiFormat::kVtt:
      response.body =
          text::format_transcript(request_.format == OpenAiFormat::kSrt ? text::Format::kSrt : text::Format::kVtt,
                                  {file_name(), transcript}, {.subtitles = request_.subtitles});
      break;
  }
  reply().send(std::move(response));
}

void OpenAiAnswer::on_error(const Error& error) {
  HttpResponse response = openai_error(error);
  if (!events_ || !events_->has_begun()) {
    reply().send(std::move(response));
    return;
  }
  events_->send("", response.body);
  events_->finish();
}

class OpenAiHandler : public RequestHandler {
 public:
  OpenAiHandler(const FileRoutes& routes, const HttpRequest& request, whisper::Task task,
                std::unique_ptr<UploadReader> reader)
      : routes_(routes), principal_(request.principal), task_(task), reader_(std::move(reader)) {}

  Status take(std::span<const std::byte> piece) override { return reader_->take(piece); }

  void complete(std::shared_ptr<HttpReply> reply) override {
    auto upload = reader_->finish();
    if (!upload) return reply->send(openai_error(upload.error()));
    auto request = parse_openai_request(std::move(upload->fields), task_, routes_.models);
    if (!request) return reply->send(openai_error(request.error()));
    const ServedModel& model = *request->model;
    const transcribe::FileOptions options = request->file;
    std::make_shared<OpenAiAnswer>(routes_, principal_, std::move(reply), *std::move(request))
        ->start(*std::move(upload), model, options);
  }

 private:
  const FileRoutes& routes_;
  const access::Principal principal_;
  const whisper::Task task_;
  const std::unique_ptr<UploadReader> reader_;
};

Route audio_route(const FileRoutes& routes, std::string pattern, whisper::Task task) {
  Route route;
  route.method = "POST";
  route.pattern = std::move(pattern);
  route.max_body_bytes = routes.max_body_bytes();
  route.takes_uploads = true;
  route.answer_error = openai_error;
  route.open = [&routes, task](const HttpRequest& request) -> Result<std::unique_ptr<RequestHandler>> {
    STENOD_RETURN_IF_ERROR(routes.accepts(request.principal));
    STENOD_ASSIGN_OR_RETURN(auto reader, UploadReader::create(request, {.file_fields = {"file"}}, routes.spool));
    return std::unique_ptr<RequestHandler>(std::make_unique<OpenAiHandler>(routes, request, task, std::move(reader)));
  };
  return route;
}

json::object describe(const ServedModel& model, std::string_view name) {
  return {{"id", name}, {"object", "model"}, {"created", model.created_s}, {"owned_by", "stenod"}};
}

HttpResponse ok(json::object body) {
  HttpResponse response;
  response.body = one_line(std::move(body)) + "\n";
  return response;
}

}  // namespace

HttpResponse openai_error(const Error& error) {
  HttpResponse response = error_response(error);
  // Where this server tells kinds of wrong requests apart by their status, OpenAI's has one.
  if (response.status == 415 || response.status == 422) response.status = 400;
  const std::string_view type = response.status >= 500   ? "server_error"
                                : response.status == 429 ? "rate_limit_error"
                                                         : "invalid_request_error";
  json::object body = parse_json(response.body).value().at("error").as_object();
  if (error.code == ErrorCode::kModelUnknown) body["code"] = "model_not_found";
  body.emplace("param", nullptr);  // unless there is one
  body["type"] = type;
  response.body = one_line({{"error", std::move(body)}}) + "\n";
  return response;
}

std::vector<Route> openai_routes(const FileRoutes& routes) {
  std::vector<Route> made;
  made.push_back(audio_route(routes, "/v1/audio/transcriptions", whisper::Task::kTranscribe));
  made.push_back(audio_route(routes, "/v1/audio/translations", whisper::Task::kTranslate));
  made.push_back(simple_route("GET", "/v1/models", Route::Access::kKey, [&routes](const HttpRequest&) {
    json::array data{describe(routes.models.front(), kOpenAiModelName)};
    for (const ServedModel& model : routes.models) data.push_back(describe(model, model.name));
    return ok({{"object", "list"}, {"data", std::move(data)}});
  }));
  made.push_back(simple_route("GET", "/v1/models/{id}", Route::Access::kKey, [&routes](const HttpRequest& request) {
    const std::string& name = request.path_parameters.at(0);
    const auto model = find_model(routes.models, name);
    return model ? ok(describe(**model, name)) : openai_error(model.error());
  }));
  made[2].answer_error = made[3].answer_error = openai_error;
  return made;
}

}  // namespace stenod::api
