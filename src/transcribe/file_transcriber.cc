#include "transcribe/file_transcriber.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "audio/decoder.h"
#include "text/language.h"
#include "transcribe/speech_stream.h"

namespace stenod::transcribe {
namespace {

// Windows of one file that wait in the engine or are being decoded. Enough to keep every slot busy, few enough that
// other files and people get their turn.
constexpr std::size_t kMaxInFlight = 32;
// How much of a window's work its encoding is.
constexpr double kEncodingShare = 0.7;
// A caller who waits for the engine hears of progress this often.
constexpr auto kReportEvery = std::chrono::milliseconds(100);
// An engine whose queue is full of others' work is asked again after this.
constexpr auto kRetryAfter = std::chrono::milliseconds(20);
/// One window's way through the engine. Shared with the callback, which may come after the file was given up.
struct InFlight {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<engine::WindowResult>> outcome;
  std::atomic<bool> encoded = false;

  void set(Result<engine::WindowResult> result) {
    {
      const std::lock_guard lock(mutex);
      outcome = std::move(result);
    }
    changed.notify_all();
  }
  bool done() {
    const std::lock_guard lock(mutex);
    return outcome.has_value();
  }
  /// The engine's answer, which always comes; absent when it takes longer than `most`.
  std::optional<Result<engine::WindowResult>> take(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, most, [this] { return outcome.has_value(); });
    return std::exchange(outcome, std::nullopt);
  }
};

double seconds(std::int64_t samples) { return static_cast<double>(samples) / audio::kSampleRate; }

/// One file's transcription.
class FileJob {
 public:
  FileJob(Recogniser& recogniser, const FileOptions& options,
          const std::function<void(const FileProgress&)>& on_progress, std::stop_token stop,
          const std::function<void(const text::Segment&)>& on_segment)
      : recogniser_(recogniser),
        options_(options),
        on_progress_(on_progress),
        stop_(std::move(stop)),
        on_segment_(on_segment) {}
  /// What is still in the engine is of no use any more.
  ~FileJob() { abandoned_.request_stop(); }

  Result<FileResult> run(const std::filesystem::path& file);

 private:
  struct Pending {
    int channel;
    Window window;
    std::shared_ptr<InFlight> in_flight;
  };

  Status choose_language();
  Status submit(int channel, SpeechWindow window);
  Status collect_oldest();
  Status collect_finished();
  void write(const Pending& pending, engine::WindowResult result);
  void drop(const Pending& pending, std::string reason, std::string text);
  void publish(double settled_s);
  double settled_s() const;
  void fail(const Error& error);
  void report() const;
  text::Segment make_segment(const Pending& pending, const engine::WindowResult& result,
                             const engine::Segment& segment);

  Recogniser& recogniser_;
  const FileOptions& options_;
  const std::function<void(const FileProgress&)>& on_progress_;
  std::stop_token stop_;
  const std::function<void(const text::Segment&)>& on_segment_;
  std::stop_source abandoned_;
  std::stop_callback<std::function<void()>> on_stop_{stop_, [this] { abandoned_.request_stop(); }};
  bool split_ = false;

  DecodingPlan plan_;
  std::optional<int> language_token_;
  std::vector<SpeechStream> streams_;  ///< one a channel
  std::deque<Pending> pending_;
  std::vector<text::Segment> finished_;  ///< in the order of the windows, not published yet
  FileResult result_;
  double done_s_ = 0;
  std::optional<double> total_s_;
};

Status FileJob::choose_language() {
  const text::Language* language = options_.language ? text::find_language(*options_.language) : nullptr;
  if (!recogniser_.dims().multilingual()) {
    if (options_.language && (language == nullptr || language->code != "en")) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("this model knows only English, not '{}'; use a multilingual one, for instance base",
                               *options_.language),
                   "language"};
    }
    result_.transcript.language = "en";
    result_.transcript.language_probability = 1;
    return {};
  }
  if (!options_.language) return {};
  if (language != nullptr) language_token_ = recogniser_.tokenizer().language_token(language->code);
  if (!language_token_) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("unknown language '{}', expected auto or a code such as en, de, zh", *options_.language),
                 "language"};
  }
  result_.transcript.language = std::string(language->code);
  result_.transcript.language_probability = 1;
  return {};
}

Status FileJob::submit(int channel, SpeechWindow window) {
  // Without a language the first window decides it for all, so they wait for it.
  const bool detects = recogniser_.dims().multilingual() && !language_token_;
  auto features = std::make_shared<const audio::LogMel>(std::move(window.features));
  const Pending pending{channel, std::move(window.window), std::make_shared<InFlight>()};
  while (true) {
    if (pending_.size() >= kMaxInFlight) STENOD_RETURN_IF_ERROR(collect_oldest());
    engine::Request request;
    request.audio = features;
    request.request_class = options_.request_class;
    request.cancellation = abandoned_.get_token();
    request.on_encoded = [in_flight = pending.in_flight] { in_flight->encoded = true; };
    request.options = plan_.options;
    request.options.language_token = language_token_;
    request.options.task = options_.task;
    request.options.segmentation = options_.segmentation;
    request.options.word_times = options_.word_timestamps;
    request.options.punctuations = options_.punctuations;
    request.options.thresholds = thresholds_for(window.speech_peak, plan_.options.thresholds);
    request.options.window = options_.full_window ? whisper::WindowPolicy::kFull : whisper::WindowPolicy::kProportional;
    const Status submitted = recogniser_.engine().submit(
        std::move(request),
        [in_flight = pending.in_flight](Result<engine::WindowResult> result) { in_flight->set(std::move(result)); });
    if (submitted) break;
    if (submitted.error().code != ErrorCode::kOverloaded) return submitted;
    if (stop_.stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
    if (pending_.empty()) {
      std::this_thread::sleep_for(kRetryAfter);
    } else {
      STENOD_RETURN_IF_ERROR(collect_oldest());
    }
  }
  pending_.push_back(pending);
  if (detects) return collect_oldest();
  return {};
}

Status FileJob::collect_oldest() {
  const Pending pending = pending_.front();
  auto result = pending.in_flight->take(kReportEvery);
  for (; !result; result = pending.in_flight->take(kReportEvery)) report();
  pending_.pop_front();
  done_s_ = std::max(done_s_, seconds(pending.window.end()));
  if (*result) {
    write(pending, **std::move(result));
    return {};
  }
  const Error& error = result->error();
  if (error.code == ErrorCode::kCancelled || error.code == ErrorCode::kShuttingDown) return error;
  drop(pending, std::string(error_name(error.code)), {});
  fail(error);
  return {};
}

Status FileJob::collect_finished() {
  while (!pending_.empty() && pending_.front().in_flight->done()) STENOD_RETURN_IF_ERROR(collect_oldest());
  return {};
}

void FileJob::write(const Pending& pending, engine::WindowResult result) {
  text::Transcript& transcript = result_.transcript;
  if (recogniser_.dims().multilingual() && !language_token_ && !result.suppressed) {
    language_token_ = result.language_token;
    transcript.language = recogniser_.language_code(result.language_token);
    transcript.language_probability = result.language_probability;
  }
  if (result.suppressed) {
    drop(pending, std::string(whisper::issue_name(*result.suppressed)), result.suppressed_text);
    // Should no window have speech, the language is the first guess.
    if (transcript.language.empty()) {
      transcript.language = recogniser_.language_code(result.language_token);
      transcript.language_probability = result.language_probability;
    }
    return;
  }
  for (const engine::Segment& segment : result.segments) {
    finished_.push_back(make_segment(pending, result, segment));
  }
}

/// Windows come in the order of their ends, and those of different channels may overlap. So a segment is part of the
/// result when no other one can come that starts before it.
void FileJob::publish(double settled_s) {
  std::stable_sort(finished_.begin(), finished_.end(),
                   [](const text::Segment& a, const text::Segment& b) { return a.start < b.start; });
  std::size_t num_settled = 0;
  for (; num_settled < finished_.size() && finished_[num_settled].start <= settled_s; ++num_settled) {
    text::Segment& segment = finished_[num_settled];
    if (on_segment_) on_segment_(segment);
    result_.transcript.segments.push_back(std::move(segment));
  }
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(num_settled));
}

double FileJob::settled_s() const {
  auto samples = std::numeric_limits<std::int64_t>::max();
  for (const SpeechStream& stream : streams_) samples = std::min(samples, stream.settled_samples());
  for (const Pending& pending : pending_) samples = std::min(samples, pending.window.start());
  return seconds(samples);
}

void FileJob::drop(const Pending& pending, std::string reason, std::string text) {
  result_.transcript.dropped.push_back({seconds(pending.window.start()), seconds(pending.window.end()),
                                        std::move(reason), std::move(text),
                                        split_ ? std::optional(pending.channel) : std::nullopt});
}

void FileJob::fail(const Error& error) {
  if (!result_.failure) result_.failure = error;
}

text::Segment FileJob::make_segment(const Pending& pending, const engine::WindowResult& result,
                                    const engine::Segment& segment) {
  text::Segment written;
  written.start = pending.window.start_time(segment.start_s);
  written.end = std::max(written.start, pending.window.end_time(segment.end_s));
  written.text = segment.text;
  written.avg_logprob = result.avg_logprob;
  written.no_speech_prob = result.no_speech_prob;
  written.compression_ratio = result.compression_ratio;
  written.temperature = result.temperature;
  if (split_) written.channel = pending.channel;
  for (const whisper::WordSpan& word : segment.words) {
    const double start = pending.window.start_time(word.start_s);
    written.words.push_back({word.text, start, std::max(start, pending.window.end_time(word.end_s)), word.probability});
  }
  return written;
}

void FileJob::report() const {
  if (!on_progress_) return;
  double encoded_s = 0;
  for (const Pending& pending : pending_) {
    if (pending.in_flight->encoded) encoded_s += seconds(pending.window.end() - pending.window.start());
  }
  on_progress_({done_s_, done_s_ + kEncodingShare * encoded_s, result_.transcript.duration, total_s_});
}

Result<FileResult> FileJob::run(const std::filesystem::path& file) {
  STENOD_RETURN_IF_ERROR(choose_language());
  STENOD_ASSIGN_OR_RETURN(plan_, plan_decoding(options_.decoding, recogniser_));
  audio::DecoderOptions decoder_options;
  decoder_options.channels = options_.split_channels ? audio::ChannelMode::kSplit : audio::ChannelMode::kMix;
  decoder_options.stop = stop_;
  decoder_options.name = options_.name;
  STENOD_ASSIGN_OR_RETURN(const auto decoder, audio::Decoder::open(file, decoder_options));
  split_ = options_.split_channels;

  for (int channel = 0; channel < decoder->num_channels(); ++channel) {
    STENOD_ASSIGN_OR_RETURN(
        auto stream, SpeechStream::create(options_.vad ? &recogniser_.vad() : nullptr, recogniser_.dims().num_mels));
    streams_.push_back(std::move(stream));
  }

  const auto transcribe_all = [&]() -> Status {
    audio::ChannelSamples samples;
    std::vector<SpeechWindow> windows;
    bool at_end = false;
    while (!at_end) {
      const auto count = decoder->read(samples);
      if (!count) {
        if (stop_.stop_requested()) return count.error();
        fail(count.error());
        result_.transcript.interrupted = true;
      }
      at_end = !count || *count == 0;
      for (std::size_t channel = 0; channel < streams_.size(); ++channel) {
        windows.clear();
        at_end ? streams_[channel].finish(windows) : streams_[channel].push(samples[channel], windows);
        for (SpeechWindow& window : windows) {
          STENOD_RETURN_IF_ERROR(submit(static_cast<int>(channel), std::move(window)));
        }
      }
      STENOD_RETURN_IF_ERROR(collect_finished());
      publish(settled_s());
      result_.transcript.duration = seconds(streams_.front().num_samples());
      total_s_ = decoder->estimated_duration_s();
      report();
    }
    total_s_ = result_.transcript.duration;
    while (!pending_.empty()) {
      STENOD_RETURN_IF_ERROR(collect_oldest());
      publish(settled_s());
      report();
    }
    return {};
  };
  const Status status = transcribe_all();
  if (!status) {
    if (status.error().code != ErrorCode::kCancelled || !stop_.stop_requested()) return status.error();
    result_.transcript.interrupted = true;
  }
  result_.num_skipped_packets = decoder->num_skipped_packets();
  result_.missing_s = decoder->missing_s();
  result_.num_audio_tracks = decoder->num_audio_tracks();
  result_.audio_track = decoder->audio_track();

  publish(std::numeric_limits<double>::infinity());
  text::Transcript& transcript = result_.transcript;
  if (result_.failure && transcript.segments.empty()) return *result_.failure;
  for (const text::Segment& segment : transcript.segments) transcript.text += segment.text;
  if (const auto first = transcript.text.find_first_not_of(' '); first != std::string::npos) {
    transcript.text.erase(0, first);
  }
  return std::move(result_);
}

}  // namespace

Result<FileResult> FileTranscriber::transcribe(const std::filesystem::path& file, const FileOptions& options,
                                               const std::function<void(const FileProgress&)>& on_progress,
                                               std::stop_token stop,
                                               const std::function<void(const text::Segment&)>& on_segment) {
  return FileJob(recogniser_, options, on_progress, std::move(stop), on_segment).run(file);
}

}  // namespace stenod::transcribe
