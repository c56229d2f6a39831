#include "api/file_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace stenod::api {
namespace {

// Audio is counted in portions of this: often enough that a file beyond the limit is stopped early.
constexpr double kPortionS = 60;

}  // namespace

Status FileRoutes::accepts(const access::Principal& principal) const {
  STENOD_RETURN_IF_ERROR(service.accepts());
  return access != nullptr ? access->check_audio(principal) : Status();
}

FileAnswer::FileAnswer(const FileRoutes& routes, access::Principal principal, std::shared_ptr<HttpReply> reply)
    : routes_(routes),
      principal_(std::move(principal)),
      reply_(std::move(reply)),
      on_stop_(reply_->stop(), [this] { stop_.request_stop(); }) {}

void FileAnswer::start(Upload upload, const ServedModel& model, transcribe::FileOptions options) {
  file_name_ = std::move(upload.file_name);
  file_field_ = std::move(upload.file_field);
  options.name = file_name_;
  options.request_class = scheduler::RequestClass::kInteractive;
  FileTask task;
  task.audio = std::move(upload.file);
  task.recogniser = model.recogniser;
  task.options = std::move(options);
  task.stop = stop_.get_token();
  const auto self = shared_from_this();
  task.on_progress = [self](const transcribe::FileProgress& progress) {
    self->decoded_s_ = progress.decoded_s;
    if (progress.decoded_s >= self->counted_s_ + kPortionS) self->count_audio(progress.decoded_s);
    if (!self->refusal_) self->on_progress(progress);
  };
  task.on_segment = [self](const text::Segment& segment) {
    if (segment.end > self->counted_s_) self->count_audio(std::max(segment.end, self->decoded_s_));
    if (!self->refusal_) self->on_segment(segment);
  };
  task.on_done = [self](Result<transcribe::FileResult> result) { self->done(std::move(result)); };
  if (const Status accepted = routes_.service.submit(std::move(task)); !accepted) on_error(accepted.error());
}

void FileAnswer::check(bool goes_on) {
  if (!goes_on) stop_.request_stop();
}

void FileAnswer::count_audio(double up_to_s) {
  if (routes_.access == nullptr || refusal_ || up_to_s <= counted_s_) return;
  if (const Status counted = routes_.access->add_audio(principal_, up_to_s - counted_s_); !counted) {
    refusal_ = counted.error();
    stop_.request_stop();
  }
  counted_s_ = up_to_s;
}

void FileAnswer::done(Result<transcribe::FileResult> result) {
  if (result) count_audio(result->transcript.duration);
  if (refusal_) {
    on_error(*refusal_);
  } else if (result) {
    on_result(*std::move(result));
  } else {
    Error error = std::move(result).error();
    if (error.param == file_name_) error.param = file_field_;
    on_error(error);
  }
}

std::vector<std::string> warnings_of(const transcribe::FileResult& result) {
  std::vector<std::string> warnings;
  if (result.failure) {
    warnings.push_back(fmt::format("{}: {}", error_name(result.failure->code), result.failure->message));
  }
  if (result.num_skipped_packets > 0) {
    warnings.push_back(fmt::format("{} damaged part(s) of the file were left out", result.num_skipped_packets));
  }
  if (result.missing_s > 0) {
    const double end_s = result.transcript.duration;
    warnings.push_back(fmt::format("the file ends at {:.1f} s, though its header announces {:.1f} s; is it cut off?",
                                   end_s, end_s + result.missing_s));
  }
  if (result.num_audio_tracks > 1) {
    warnings.push_back(fmt::format("the file has {} audio tracks; only number {} was taken", result.num_audio_tracks,
                                   result.audio_track));
  }
  return warnings;
}

Fields warning_fields(const std::vector<std::string>& warnings) {
  Fields fields;
  for (std::string warning : warnings) {
    std::replace_if(
        warning.begin(), warning.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
    fields.emplace_back("Stenod-Warning", std::move(warning));
  }
  return fields;
}

}  // namespace stenod::api
