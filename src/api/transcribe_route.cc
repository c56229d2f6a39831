#include "api/transcribe_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "api/event_stream.h"
#include "base/json.h"

namespace stenod::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kProgressEvery = std::chrono::milliseconds(250);

std::string_view content_type(text::Format format) {
  switch (format) {
    case text::Format::kText:
      return "text/plain; charset=utf-8";
    case text::Format::kJson:
      return "application/json";
    case text::Format::kJsonl:
      return "application/jsonl";
    case text::Format::kSrt:
      return "application/x-subrip; charset=utf-8";
    case text::Format::kVtt:
      return "text/vtt; charset=utf-8";
    case text::Format::kTsv:
      return "text/tab-separated-values; charset=utf-8";
  }
  return "application/octet-stream";
}

class TranscribeAnswer : public FileAnswer {
 public:
  TranscribeAnswer(const FileRoutes& routes, const access::Principal& principal, std::shared_ptr<HttpReply> reply,
                   const TranscribeRequest& request)
      : FileAnswer(routes, principal, reply), format_(request.format), layout_(request.layout) {
    if (request.stream) events_.emplace(std::move(reply));
  }

 private:
  void on_progress(const transcribe::FileProgress& progress) override;
  void on_segment(const text::Segment& segment) override {
    if (events_) check(events_->send("segment", text::format_segment(segment, layout_)));
  }
  void on_result(transcribe::FileResult result) override;
  void on_error(const Error& error) override;

  const text::Format format_;
  const text::FormatOptions layout_;
  const Clock::time_point start_ = Clock::now();
  std::optional<EventStream> events_;
  std::string last_progress_;
  Clock::time_point last_progress_at_ = {};
  double percent_ = 0;
};

void TranscribeAnswer::on_progress(const transcribe::FileProgress& progress) {
  if (!events_) return;
  const auto now = Clock::now();
  if (now - last_progress_at_ < kProgressEvery) return;
  last_progress_at_ = now;
  const double total_s = progress.total_s.value_or(0);
  // What a header claims may change on the way; a bar that goes back helps nobody.
  if (total_s > 0) percent_ = std::clamp(100 * progress.work_done_s / total_s, percent_, 100.0);
  std::string line = fmt::format(R"({{"percent": {}, "done_s": {:.3f}, "total_s": {}}})",
                                 total_s > 0 ? fmt::format("{:.1f}", percent_) : "null", progress.done_s,
                                 total_s > 0 ? fmt::format("{:.3f}", total_s) : "null");
  if (line == last_progress_) {
    check(events_->keep_alive());
  } else {
    check(events_->send("progress", line));
    last_progress_ = std::move(line);
  }
}

void TranscribeAnswer::on_result(transcribe::FileResult result) {
  const auto warnings = warnings_of(result);
  const double wall_s = std::chrono::duration<double>(Clock::now() - start_).count();
  const text::FileTranscript transcript{file_name(), std::move(result.transcript), wall_s, std::move(result.failure)};
  if (events_) {
    for (const std::string& warning : warnings) {
      events_->send("warning", json::serialize(json::object{{"message", warning}}));
    }
    // Programs often read events line by line.
    events_->send("result", format_ == text::Format::kJson ? text::format_json_on_one_line(transcript, layout_)
                                                           : text::format_transcript(format_, transcript, layout_));
    events_->finish();
    return;
  }
  HttpResponse response;
  response.content_type = content_type(format_);
  response.body = text::format_transcript(format_, transcript, layout_);
  response.headers = warning_fields(warnings);
  reply().send(std::move(response));
}

void TranscribeAnswer::on_error(const Error& error) {
  HttpResponse response = error_response(error);
  if (!events_ || !events_->has_begun()) {
    reply().send(std::move(response));
    return;
  }
  events_->send("error", response.body);
  events_->finish();
}

class TranscribeHandler : public RequestHandler {
 public:
  TranscribeHandler(const FileRoutes& routes, const HttpRequest& request, std::unique_ptr<UploadReader> reader)
      : routes_(routes),
        principal_(request.principal),
        query_(request.query),
        accept_(find_field(request.headers, "accept")),
        reader_(std::move(reader)) {}

  Status take(std::span<const std::byte> piece) override { return reader_->take(piece); }

  void complete(std::shared_ptr<HttpReply> reply) override {
    auto upload = reader_->finish();
    if (!upload) return reply->send(error_response(upload.error()));
    upload->fields.insert(upload->fields.end(), query_.begin(), query_.end());
    const auto request = parse_transcribe_request(std::move(upload->fields), accept_, routes_.models);
    if (!request) return reply->send(error_response(request.error()));
    std::make_shared<TranscribeAnswer>(routes_, principal_, std::move(reply), *request)
        ->start(*std::move(upload), *request->model, request->file);
  }

 private:
  const FileRoutes& routes_;
  const access::Principal principal_;
  const Fields query_;
  const std::string accept_;
  const std::unique_ptr<UploadReader> reader_;
};

Result<std::unique_ptr<RequestHandler>> open(const FileRoutes& routes, const HttpRequest& request) {
  STENOD_RETURN_IF_ERROR(routes.accepts(request.principal));
  STENOD_ASSIGN_OR_RETURN(
      auto reader, UploadReader::create(request, {.file_fields = {"audio", "file"}, .raw_body = true}, routes.spool));
  if (!reader->is_form()) {
    const auto parsed = parse_transcribe_request(request.query, find_field(request.headers, "accept"), routes.models);
    if (!parsed) return parsed.error();
  }
  return std::unique_ptr<RequestHandler>(std::make_unique<TranscribeHandler>(routes, request, std::move(reader)));
}

}  // namespace

Route transcribe_route(const FileRoutes& routes) {
  Route route;
  route.method = "POST";
  route.pattern = "/transcribe";
  route.max_body_bytes = routes.max_body_bytes();
  route.takes_uploads = true;
  route.open = [&routes](const HttpRequest& request) { return open(routes, request); };
  return route;
}

}  // namespace stenod::api
