#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <span>
#include <thread>
#include <utility>

#include "app/commands.h"
#include "app/console.h"
#include "app/input_files.h"
#include "app/ordered_output.h"
#include "app/output_files.h"
#include "app/progress.h"
#include "base/file.h"

namespace stenod::app {
namespace {

/// One call of `stenod transcribe`: workers that take files, one after the other, and share the engine.
class TranscribeRun {
 public:
  TranscribeRun(const TranscribeCommand& command, std::vector<std::vector<std::filesystem::path>> output_files,
                Console& console, Interrupt& interrupt, transcribe::Recogniser& recogniser)
      : command_(command),
        output_files_(std::move(output_files)),
        console_(console),
        interrupt_(interrupt),
        transcriber_(recogniser),
        progress_(console, command.files),
        output_(command.files.size(), [this](FileOutput output) { write(std::move(output)); }) {}

  int run() {
    const std::stop_callback on_stop(interrupt_.token(), [this] { output_.stop(); });
    std::vector<std::jthread> workers(std::min(command_.num_jobs, command_.files.size()));
    for (std::jthread& worker : workers) {
      worker = std::jthread([this] {
        while (const auto index = output_.take()) output_.put(*index, transcribe_file(*index));
      });
    }
    workers.clear();  // joins
    if (interrupt_.signal() != 0) return signal_status(interrupt_.signal());
    if (!output_status_ && output_status_.error().code == ErrorCode::kCancelled) return signal_status(SIGPIPE);
    return failed_ ? kFailure : kSuccess;
  }

 private:
  FileOutput transcribe_file(std::size_t index);
  void write(FileOutput output);

  const TranscribeCommand& command_;
  const std::vector<std::vector<std::filesystem::path>> output_files_;  ///< [file][format]; empty: standard output
  Console& console_;
  Interrupt& interrupt_;
  transcribe::FileTranscriber transcriber_;
  TranscribeProgress progress_;
  std::atomic<bool> failed_ = false;
  Status output_status_;  ///< of standard output
  OrderedOutput output_;
};

FileOutput TranscribeRun::transcribe_file(std::size_t index) {
  const std::string& file = command_.files[index];
  const auto start = std::chrono::steady_clock::now();
  const Status usable = check_input(file);
  auto result = usable ? transcriber_.transcribe(
                             file, command_.file,
                             [&](const transcribe::FileProgress& progress) { progress_.update(index, progress); },
                             interrupt_.token())
                       : Result<transcribe::FileResult>(usable.error());
  progress_.finish(index);

  FileOutput output;
  const auto fail = [&](Error error) {
    if (error.message.find(file) == std::string::npos) error.message = fmt::format("{}: {}", file, error.message);
    failed_ = true;
    output.messages.push_back([this, error] { console_.error(error); });
    return error;
  };
  const auto warn = [&](std::string message) {
    output.messages.push_back([this, message = std::move(message)] { console_.warn(message); });
  };

  if (!result) {
    if (result.error().code == ErrorCode::kCancelled && interrupt_.token().stop_requested()) return output;
    const Error error = fail(std::move(result).error());
    // An earlier result in the output folder is worth more than an error.
    if (output_files_.empty()) output.result = text::format_error(command_.formats.front(), file, error);
  } else {
    text::FileTranscript transcript{file, std::move(result->transcript), 0};
    transcript.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (result->failure) {
      transcript.error = fail(*std::move(result->failure));
    } else if (transcript.transcript.interrupted) {
      const auto& segments = transcript.transcript.segments;
      const double end_s = segments.empty() ? 0 : segments.back().end;
      warn(fmt::format("{}: interrupted; the text ends at {}", file, clock_text(end_s)));
      if (segments.empty()) return output;
    } else if (transcript.transcript.segments.empty() && !command_.quiet) {
      const auto& dropped = transcript.transcript.dropped;
      const auto with_text =
          std::find_if(dropped.begin(), dropped.end(), [](const auto& part) { return !part.text.empty(); });
      const std::string note =
          with_text == dropped.end()
              ? fmt::format("{}: no speech was found", file)
              : fmt::format("{}: no text was kept ({}); --format json shows what was dropped", file, with_text->reason);
      output.messages.push_back([this, note] { console_.note(note); });
    }
    if (const auto skipped = result->num_skipped_packets; skipped > 0) {
      warn(fmt::format("{}: {} damaged {} left out", file, skipped, skipped == 1 ? "part was" : "parts were"));
    }
    if (result->missing_s > 0) {
      const double end_s = transcript.transcript.duration;
      warn(fmt::format("{}: ends at {}, though its header announces {}; is it cut off?", file, clock_text(end_s),
                       clock_text(end_s + result->missing_s)));
    }
    if (result->num_audio_tracks > 1) {
      warn(fmt::format("{}: has {} audio tracks; only number {} was taken", file, result->num_audio_tracks,
                       result->audio_track));
    }
    const auto written_as = [&](text::Format format) {
      return text::format_transcript(format, transcript, command_.layout);
    };
    if (output_files_.empty()) {
      output.result = written_as(command_.formats.front());
    } else {
      for (std::size_t i = 0; i < command_.formats.size(); ++i) {
        const std::string text = written_as(command_.formats[i]);
        Status written = write_file_atomic(output_files_[index][i], std::as_bytes(std::span(text)));
        if (!written) fail(std::move(written).error());
      }
    }
  }
  return output;
}

void TranscribeRun::write(FileOutput output) {
  if (!output.result.empty() && output_status_) {
    output_status_ = console_.write_result(output.result);
    if (!output_status_) {
      // Nobody will read the rest.
      failed_ = true;
      if (output_status_.error().code != ErrorCode::kCancelled) console_.error(output_status_.error());
      interrupt_.source().request_stop();
    }
  }
  for (const auto& message : output.messages) message();
}

}  // namespace

int run(const TranscribeCommand& command, Interrupt& interrupt) {
  Console console(command.quiet);
  const auto fail = [&](const Error& error, int status) {
    console.error(error);
    return status;
  };
  std::vector<std::vector<std::filesystem::path>> output_files;
  if (!command.output_dir.empty()) {
    auto planned = plan_output_files(command.output_dir, command.files, command.formats);
    if (!planned) return fail(planned.error(), kWrongUsage);
    output_files = *std::move(planned);
    if (const Status ready = prepare_output_folder(command.output_dir); !ready) return fail(ready.error(), kFailure);
  }
  const auto recogniser = load_recogniser(command.engine);
  if (!recogniser) return fail(recogniser.error(), kFailure);
  return TranscribeRun(command, std::move(output_files), console, interrupt, **recogniser).run();
}

}  // namespace stenod::app
