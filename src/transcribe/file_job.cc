#include "transcribe/file_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "audio/decoder.h"
#include "text/language.h"
#include "transcribe/language_vote.h"

namespace stenod::transcribe {
namespace {

// How much of a window's work its encoding is.
constexpr double kEncodingShare = 0.7;
// A caller who waits for the engine hears of progress this often.
constexpr auto kReportEvery = std::chrono::milliseconds(100);

}  // namespace

FileJob::FileJob(Recogniser& recogniser, const FileOptions& options, const OnProgress& on_progress,
                 std::stop_token stop, const OnSegment& on_segment)
    : recogniser_(recogniser),
      options_(options),
      on_progress_(on_progress),
      stop_(std::move(stop)),
      on_segment_(on_segment) {}

Status FileJob::choose_language() {
  const text::Language* language = options_.language ? text::find_language(*options_.language) : nullptr;
  if (!recogniser_.dims().multilingual()) {
    const bool other = options_.language && (language == nullptr || language->code != "en");
    if (other || options_.multilingual) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("this model knows only English, not '{}'; use a multilingual one, for instance base",
                               other ? *options_.language : "multilingual"),
                   other ? "language" : "multilingual"};
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

Status FileJob::vote(const std::filesystem::path& file) {
  if (!first_window_decides() || options_.language_detection_segments < 2) return {};
  STENOD_ASSIGN_OR_RETURN(const auto language, vote_on_language(recogniser_, file, options_, stop_));
  if (language) {
    language_token_ = language->token;
    set_language(language->token, language->probability);
  }
  return {};
}

bool FileJob::first_window_decides() const {
  return recogniser_.dims().multilingual() && !language_token_ && !options_.multilingual;
}

whisper::DecodingOptions FileJob::window_options() const {
  whisper::DecodingOptions options = plan_.options;
  options.language_token = language_token_;
  options.task = options_.task;
  options.segmentation = options_.segmentation;
  options.word_times = options_.word_timestamps;
  options.punctuations = options_.punctuations;
  options.window = options_.full_window ? whisper::WindowPolicy::kFull : whisper::WindowPolicy::kProportional;
  return options;
}

engine::Request FileJob::request_for(std::shared_ptr<const audio::LogMel> features,
                                     whisper::DecodingOptions decoding) const {
  engine::Request request;
  request.audio = std::move(features);
  request.request_class = options_.request_class;
  request.cancellation = abandoned_.get_token();
  request.options = std::move(decoding);
  return request;
}

Result<engine::WindowResult> FileJob::wait(EngineCall& call) {
  auto result = call.take(kReportEvery);
  for (; !result; result = call.take(kReportEvery)) report();
  return *std::move(result);
}

Status FileJob::settle(const Window& window, int channel, Result<engine::WindowResult> outcome) {
  if (outcome) {
    write(window, channel, *std::move(outcome));
    return {};
  }
  const Error& error = outcome.error();
  // What is wrong with the request is wrong in every window.
  if (error.code == ErrorCode::kCancelled || error.code == ErrorCode::kShuttingDown ||
      error.code == ErrorCode::kInvalidArgument) {
    return error;
  }
  drop(window, channel, std::string(error_name(error.code)), {});
  fail(error);
  return {};
}

void FileJob::set_language(int token, float probability) {
  result_.transcript.language = recogniser_.language_code(token);
  result_.transcript.language_probability = probability;
}

void FileJob::write(const Window& window, int channel, engine::WindowResult result) {
  if (first_window_decides() && !result.suppressed) {
    language_token_ = result.language_token;
    set_language(result.language_token, result.language_probability);
  }
  if (result.suppressed) {
    drop(window, channel, std::string(whisper::issue_name(*result.suppressed)), result.suppressed_text);
    // Should no window have speech, the language is the first guess.
    if (result_.transcript.language.empty()) set_language(result.language_token, result.language_probability);
    return;
  }
  for (const engine::Segment& segment : result.segments) {
    text::Segment& written = finished_.emplace_back(make_segment(window, channel, result, segment));
    if (!options_.multilingual) continue;
    written.language = recogniser_.language_code(result.language_token);
    Spoken& spoken = spoken_[result.language_token];
    const double length_s = written.end - written.start;
    spoken.seconds += length_s;
    spoken.weighted_probability += length_s * result.language_probability;
  }
}

void FileJob::name_most_spoken_language() {
  const auto most = std::max_element(spoken_.begin(), spoken_.end(),
                                     [](const auto& a, const auto& b) { return a.second.seconds < b.second.seconds; });
  if (most == spoken_.end()) return;
  const auto& [token, spoken] = *most;
  set_language(token, spoken.seconds > 0 ? static_cast<float>(spoken.weighted_probability / spoken.seconds) : 0);
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

void FileJob::publish_settled() { publish(seconds(settled_samples())); }

void FileJob::drop(const Window& window, int channel, std::string reason, std::string text) {
  result_.transcript.dropped.push_back({seconds(window.start()), seconds(window.end()), std::move(reason),
                                        std::move(text),
                                        options_.split_channels ? std::optional(channel) : std::nullopt});
}

void FileJob::fail(const Error& error) {
  if (!result_.failure) result_.failure = error;
}

text::Segment FileJob::make_segment(const Window& window, int channel, const engine::WindowResult& result,
                                    const engine::Segment& segment) const {
  text::Segment written;
  written.start = window.start_time(segment.start_s);
  written.end = std::max(written.start, window.end_time(segment.end_s));
  written.text = segment.text;
  written.avg_logprob = result.avg_logprob;
  written.no_speech_prob = result.no_speech_prob;
  written.compression_ratio = result.compression_ratio;
  written.temperature = result.temperature;
  if (options_.split_channels) written.channel = channel;
  for (const whisper::WordSpan& word : segment.words) {
    const double start = window.start_time(word.start_s);
    written.words.push_back({word.text, start, std::max(start, window.end_time(word.end_s)), word.probability});
  }
  return written;
}

void FileJob::set_done(std::int64_t samples) { done_s_ = std::max(done_s_, seconds(samples)); }

void FileJob::report() const {
  if (!on_progress_) return;
  on_progress_({done_s_, done_s_ + kEncodingShare * encoded_s(), result_.transcript.duration, total_s_});
}

Status FileJob::read_all(ClipReader& reader, const audio::Decoder& decoder) {
  audio::ChannelSamples samples;
  bool in_clip = false;
  while (true) {
    const auto event = reader.read(samples);
    if (!event) {
      if (stop_.stop_requested()) return event.error();
      fail(event.error());
      result_.transcript.interrupted = true;
      continue;  // with what follows an error: the ends
    }
    if (*event == ClipReader::Event::kEnd) break;
    if (*event == ClipReader::Event::kSamples) {
      if (!in_clip) STENOD_RETURN_IF_ERROR(begin_clip(reader.clip_start(), samples.size()));
      in_clip = true;
      STENOD_RETURN_IF_ERROR(push(samples));
    } else {
      in_clip = false;
      STENOD_RETURN_IF_ERROR(end_clip());
    }
    publish_settled();
    result_.transcript.duration = seconds(reader.position());
    total_s_ = decoder.estimated_duration_s();
    report();
  }
  // What lies behind the last clip was not read.
  double& duration_s = result_.transcript.duration;
  duration_s = seconds(reader.position());
  if (!reader.at_end()) duration_s = std::max(duration_s, decoder.estimated_duration_s().value_or(0));
  total_s_ = duration_s;
  return finish();
}

Result<FileResult> FileJob::run(const std::filesystem::path& file) {
  STENOD_RETURN_IF_ERROR(choose_language());
  STENOD_ASSIGN_OR_RETURN(plan_, plan_decoding(options_.decoding, recogniser_));
  STENOD_ASSIGN_OR_RETURN(auto clips, make_clips(options_.clip_timestamps));
  audio::DecoderOptions decoder_options;
  decoder_options.channels = options_.split_channels ? audio::ChannelMode::kSplit : audio::ChannelMode::kMix;
  decoder_options.stop = stop_;
  decoder_options.name = options_.name;
  STENOD_ASSIGN_OR_RETURN(const auto decoder, audio::Decoder::open(file, decoder_options));
  STENOD_RETURN_IF_ERROR(vote(file));

  const double first_s = seconds(clips.front().start);
  ClipReader reader(*decoder, std::move(clips));
  const Status status = read_all(reader, *decoder);
  if (!status) {
    if (status.error().code != ErrorCode::kCancelled || !stop_.stop_requested()) return status.error();
    result_.transcript.interrupted = true;
  } else if (first_s > 0 && !result_.failure && result_.transcript.duration <= first_s) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("clip_timestamps: the recording ends at {:.3f} s, before the first clip begins at {:.3f} s",
                    result_.transcript.duration, first_s),
        "clip_timestamps"};
  }
  result_.num_skipped_packets = decoder->num_skipped_packets();
  result_.missing_s = reader.at_end() ? decoder->missing_s() : 0;
  result_.num_audio_tracks = decoder->num_audio_tracks();
  result_.audio_track = decoder->audio_track();

  publish(std::numeric_limits<double>::infinity());
  name_most_spoken_language();
  text::Transcript& transcript = result_.transcript;
  if (result_.failure && transcript.segments.empty()) return *result_.failure;
  for (const text::Segment& segment : transcript.segments) transcript.text += segment.text;
  if (const auto first = transcript.text.find_first_not_of(' '); first != std::string::npos) {
    transcript.text.erase(0, first);
  }
  return std::move(result_);
}

}  // namespace stenod::transcribe
