#include "transcribe/file_transcriber.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "transcribe/clips.h"
#include "transcribe/parallel_job.h"
#include "transcribe/sequential_job.h"

namespace stenod::transcribe {
namespace {

Error invalid(const char* option, const char* what) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {}", option, what), option};
}

}  // namespace

Status check_options(const FileOptions& options) {
  STENOD_RETURN_IF_ERROR(make_clips(options.clip_timestamps));
  if (options.condition_on_previous_text.value_or(false) && !options.sequential) {
    return invalid("condition_on_previous_text",
                   "needs --sequential (sequential=true over HTTP): windows that are decoded at the same time have no "
                   "previous text");
  }
  if (options.prompt_reset_on_temperature) {
    if (!(*options.prompt_reset_on_temperature >= 0)) {
      return invalid("prompt_reset_on_temperature", "expected a temperature, 0 or more");
    }
    if (!options.sequential) {
      return invalid("prompt_reset_on_temperature",
                     "needs --sequential (sequential=true over HTTP): otherwise there is no previous text to forget");
    }
  }
  if (options.decoding.max_initial_timestamp_s && !options.sequential &&
      options.segmentation != whisper::Segmentation::kTimestamps) {
    return invalid("max_initial_timestamp",
                   "needs --sequential (sequential=true over HTTP): otherwise only windows of less than 5 s have any");
  }
  if (options.hallucination_silence_threshold_s) {
    if (!(*options.hallucination_silence_threshold_s >= 0)) {
      return invalid("hallucination_silence_threshold", "expected seconds, 0 or more");
    }
    if (!options.sequential || !options.word_timestamps) {
      return invalid(
          "hallucination_silence_threshold",
          "needs --sequential and --word-timestamps (sequential=true and word_timestamps=true over HTTP): otherwise "
          "windows hold no silence that text could be made up about");
    }
  }
  if (options.multilingual && options.language) {
    return invalid("multilingual", "detects the language of every window; leave out the language");
  }
  if (options.language_detection_segments < 1 || options.language_detection_segments > kMaxDetectionSegments) {
    return invalid("language_detection_segments", "expected 1 to 1000 windows");
  }
  if (!(options.language_detection_threshold >= 0 && options.language_detection_threshold <= 1)) {
    return invalid("language_detection_threshold", "expected a probability, 0 to 1");
  }
  return {};
}

Result<FileResult> FileTranscriber::transcribe(const std::filesystem::path& file, const FileOptions& options,
                                               const std::function<void(const FileProgress&)>& on_progress,
                                               std::stop_token stop,
                                               const std::function<void(const text::Segment&)>& on_segment) {
  STENOD_RETURN_IF_ERROR(check_options(options));
  std::unique_ptr<FileJob> job;
  if (options.sequential) {
    job = std::make_unique<SequentialJob>(recogniser_, options, on_progress, std::move(stop), on_segment);
  } else {
    job = std::make_unique<ParallelJob>(recogniser_, options, on_progress, std::move(stop), on_segment);
  }
  return job->run(file);
}

}  // namespace stenod::transcribe
