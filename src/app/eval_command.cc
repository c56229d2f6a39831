#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <thread>
#include <utility>

#include "app/commands.h"
#include "app/console.h"
#include "app/machine.h"
#include "app/output_files.h"
#include "app/progress.h"
#include "base/file.h"
#include "quality/report.h"
#include "text/format.h"
#include "text/language.h"

namespace stenod::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Whether "long", "en" or "telephone/en" means the recording.
bool matches(const quality::Recording& recording, const std::string& selector) {
  return selector == recording.kind || selector == recording.language ||
         selector == recording.kind + '/' + recording.language;
}

Result<std::vector<quality::Recording>> select_recordings(const EvalCommand& command) {
  STENOD_ASSIGN_OR_RETURN(std::vector<quality::Recording> recordings, quality::read_manifest(command.manifest));
  for (const std::string& selector : command.only) {
    const bool is_met = std::any_of(recordings.begin(), recordings.end(),
                                    [&](const auto& recording) { return matches(recording, selector); });
    if (is_met) continue;
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("--only {}: {} has no such recording; expected a kind (read, long, …), a language (en, …) or "
                    "both, as read/en",
                    selector, command.manifest.string()),
        "only"};
  }
  if (!command.only.empty()) {
    std::erase_if(recordings, [&](const quality::Recording& recording) {
      return std::none_of(command.only.begin(), command.only.end(),
                          [&](const std::string& selector) { return matches(recording, selector); });
    });
  }
  if (command.limit > 0 && recordings.size() > command.limit) {
    recordings.erase(recordings.begin() + static_cast<std::ptrdiff_t>(command.limit), recordings.end());
  }
  return recordings;
}

/// Before an hour of work whose figures would be wrong.
Status check_audio(const std::filesystem::path& manifest, const std::vector<quality::Recording>& recordings) {
  for (const quality::Recording& recording : recordings) {
    std::error_code error;
    if (std::filesystem::is_regular_file(recording.audio, error)) continue;
    return Error{ErrorCode::kNotFound, fmt::format("{}: recording '{}': audio: there is no file {}", manifest.string(),
                                                   recording.id, recording.audio.string())};
  }
  return {};
}

/// What comes of all recordings, in their order.
struct Transcription {
  std::vector<quality::Hypothesis> hypotheses;
  std::vector<std::string> lines;  ///< as `stenod transcribe --format jsonl` writes them
  quality::Speed speed;
};

/// Transcribes recordings, several at once.
class EvalRun {
 public:
  EvalRun(const EvalCommand& command, const std::vector<quality::Recording>& recordings, Console& console,
          Interrupt& interrupt, transcribe::Recogniser& recogniser)
      : command_(command),
        recordings_(recordings),
        console_(console),
        interrupt_(interrupt),
        has_word_times_(recogniser.has_word_times()),
        transcriber_(recogniser),
        progress_(console, files_of(recordings)) {}

  Transcription run() {
    const auto start = Clock::now();
    out_.hypotheses.resize(recordings_.size());
    out_.lines.resize(recordings_.size());
    durations_s_.resize(recordings_.size());
    std::atomic<std::size_t> next = 0;
    {
      std::vector<std::jthread> workers(std::min(command_.num_jobs, recordings_.size()));
      for (std::jthread& worker : workers) {
        worker = std::jthread([&] {
          for (std::size_t i = next++; i < recordings_.size() && !interrupt_.token().stop_requested(); i = next++) {
            transcribe_one(i);
          }
        });
      }
    }
    out_.speed.wall_s = seconds_since(start);
    for (const double duration_s : durations_s_) out_.speed.audio_s += duration_s;
    return std::move(out_);
  }

 private:
  static std::vector<std::string> files_of(const std::vector<quality::Recording>& recordings) {
    std::vector<std::string> files;
    for (const quality::Recording& recording : recordings) files.push_back(recording.audio.string());
    return files;
  }

  transcribe::FileOptions options_of(const quality::Recording& recording) const {
    transcribe::FileOptions options = command_.file;
    // Where nobody speaks, a manifest has no language to give.
    const bool is_known = text::find_language(recording.language) != nullptr;
    if (command_.language_from_manifest && is_known) options.language = recording.language;
    if (!recording.parts.empty() && has_word_times_) options.word_timestamps = true;
    return options;
  }

  void transcribe_one(std::size_t index) {
    const quality::Recording& recording = recordings_[index];
    const std::string file = recording.audio.string();
    const auto start = Clock::now();
    auto result = transcriber_.transcribe(
        recording.audio, options_of(recording),
        [&](const transcribe::FileProgress& progress) { progress_.update(index, progress); }, interrupt_.token());
    progress_.finish(index);
    quality::Hypothesis& hypothesis = out_.hypotheses[index];
    const auto fail = [&](const Error& error) {
      hypothesis.failure = error.message;
      if (!interrupt_.token().stop_requested()) {
        console_.error({error.code, fmt::format("{}: {}", recording.id, error.message)});
      }
    };
    if (!result) {
      fail(result.error());
      out_.lines[index] = text::format_error(text::Format::kJsonl, file, result.error());
      return;
    }
    if (result->failure) fail(*result->failure);
    const text::FileTranscript transcript{file, std::move(result->transcript), seconds_since(start), result->failure};
    out_.lines[index] = text::format_transcript(text::Format::kJsonl, transcript);
    durations_s_[index] = transcript.transcript.duration;
    hypothesis.text = transcript.transcript.text;
    for (const text::Segment& segment : transcript.transcript.segments) {
      hypothesis.words.insert(hypothesis.words.end(), segment.words.begin(), segment.words.end());
    }
  }

  const EvalCommand& command_;
  const std::vector<quality::Recording>& recordings_;
  Console& console_;
  Interrupt& interrupt_;
  const bool has_word_times_;
  transcribe::FileTranscriber transcriber_;
  TranscribeProgress progress_;
  Transcription out_;                ///< each worker writes what it took
  std::vector<double> durations_s_;  ///< likewise
};

Status write_text(const std::filesystem::path& file, const std::string& text) {
  return write_file_atomic(file, std::as_bytes(std::span(text)));
}

/// The hypotheses, from the file that was given or by transcribing; of no use after an interruption.
Result<std::vector<quality::Hypothesis>> get_hypotheses(const EvalCommand& command,
                                                        const std::vector<quality::Recording>& recordings,
                                                        Console& console, Interrupt& interrupt,
                                                        quality::Report& report) {
  if (!command.hypotheses.empty()) {
    STENOD_ASSIGN_OR_RETURN(quality::Hypotheses read, quality::read_hypotheses(command.hypotheses, recordings));
    if (read.num_unknown > 0 && command.only.empty() && command.limit == 0) {
      console.warn(fmt::format("{}: {} lines are about recordings that {} does not have", command.hypotheses.string(),
                               read.num_unknown, command.manifest.string()));
    }
    report.info.hypotheses = command.hypotheses.string();
    return std::move(read.of_recordings);
  }
  STENOD_RETURN_IF_ERROR(check_audio(command.manifest, recordings));
  STENOD_ASSIGN_OR_RETURN(const auto recogniser, load_recogniser(command.engine));
  report.info.model = command.engine.model;
  report.info.device = recogniser->device_name();
  report.info.compute_type = compute::compute_type_name(recogniser->compute_type());
  report.info.cpu_model = describe_machine().cpu_model;
  report.info.options = command.options;
  Transcription transcription = EvalRun(command, recordings, console, interrupt, *recogniser).run();
  if (interrupt.signal() != 0) return std::vector<quality::Hypothesis>();
  if (!command.output.empty()) {
    std::string text;
    for (const std::string& line : transcription.lines) text += line;
    STENOD_RETURN_IF_ERROR(write_text(command.output, text));
  }
  if (transcription.speed.audio_s > 0) report.speed = transcription.speed;
  return std::move(transcription.hypotheses);
}

Result<int> evaluate(const EvalCommand& command, Console& console, Interrupt& interrupt) {
  STENOD_ASSIGN_OR_RETURN(const std::vector<quality::Recording> recordings, select_recordings(command));
  std::vector<std::filesystem::path> inputs = {command.manifest, command.against, command.hypotheses};
  for (const quality::Recording& recording : recordings) inputs.push_back(recording.audio);
  STENOD_RETURN_IF_ERROR(check_output_files(std::array{command.json, command.output}, inputs));
  std::vector<quality::RecordingResult> earlier;
  if (!command.against.empty()) {
    STENOD_ASSIGN_OR_RETURN(earlier, quality::read_report(command.against));
    // That they can be compared does not depend on what will be heard.
    const std::vector<quality::Hypothesis> nothing(recordings.size());
    STENOD_RETURN_IF_ERROR(quality::check_comparable(earlier, quality::evaluate(recordings, nothing).recordings));
  }
  quality::Report report;
  report.info.version = version_text();
  report.info.manifest = command.manifest.string();
  STENOD_ASSIGN_OR_RETURN(const auto hypotheses, get_hypotheses(command, recordings, console, interrupt, report));
  if (interrupt.signal() != 0) return signal_status(interrupt.signal());
  report.evaluation = quality::evaluate(recordings, hypotheses);
  if (!command.against.empty()) {
    report.against = command.against.string();
    STENOD_ASSIGN_OR_RETURN(report.comparison, quality::compare(earlier, report.evaluation.recordings));
  }
  STENOD_RETURN_IF_ERROR(console.write_result(quality::report_text(report)));
  if (!command.json.empty()) STENOD_RETURN_IF_ERROR(write_text(command.json, quality::report_json(report)));
  return report.evaluation.num_failed() > 0 ? kFailure : kSuccess;
}

}  // namespace

int run(const EvalCommand& command, Interrupt& interrupt) {
  Console console(command.quiet);
  const Result<int> status = evaluate(command, console, interrupt);
  if (status) return *status;
  console.error(status.error());
  const bool is_usage = status.error().param == "only" || status.error().param == "output";
  return status.error().code == ErrorCode::kInvalidArgument && is_usage ? kWrongUsage : kFailure;
}

}  // namespace stenod::app
