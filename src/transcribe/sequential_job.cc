#include "transcribe/sequential_job.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "audio/log_mel.h"
#include "transcribe/hallucination.h"
#include "transcribe/speech_stream.h"

namespace stenod::transcribe {
namespace {

constexpr std::int64_t kSamplesPerEncoderFrame = 320;
// Less from window to window, and a crafted file could cost 50 windows a second.
constexpr std::int64_t kLeastAdvance = audio::kSampleRate / 2;
// What is left of a clip behind its last window and shorter than this holds no word.
constexpr std::int64_t kShortestRest = audio::kSampleRate / 10;

std::int64_t to_samples(double seconds_on_tape) {
  return std::llround(seconds_on_tape / whisper::kSecondsPerEncoderFrame) * kSamplesPerEncoderFrame;
}

}  // namespace

Status SequentialJob::begin_clip(std::int64_t start, std::size_t num_channels) {
  for (std::size_t i = 0; i < num_channels; ++i) {
    STENOD_ASSIGN_OR_RETURN(auto tape, SpeechTape::create(options().vad ? &recogniser().vad() : nullptr, start));
    if (i < channels_.size()) {
      channels_[i].tape = std::move(tape);
      channels_[i].seek = 0;
      channels_[i].last_speech_s = 0;
    } else {
      channels_.push_back({.tape = std::move(tape), .previous = plan().initial_prompt});
    }
  }
  return {};
}

Status SequentialJob::push(const audio::ChannelSamples& samples) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    // In parts, so that a large block is not held beside its copy on the tape.
    constexpr std::size_t kPart = audio::kSampleRate;
    const std::span<const std::int16_t> all = samples[i];
    for (std::size_t at = 0; at < all.size(); at += kPart) {
      channels_[i].tape.push(all.subspan(at, std::min(kPart, all.size() - at)));
      STENOD_RETURN_IF_ERROR(transcribe_windows(i, false));
    }
  }
  return {};
}

Status SequentialJob::end_clip() {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    channels_[i].tape.finish();
    STENOD_RETURN_IF_ERROR(transcribe_windows(i, true));
  }
  return {};
}

std::int64_t SequentialJob::settled_samples() const {
  auto samples = std::numeric_limits<std::int64_t>::max();
  for (const Channel& channel : channels_) samples = std::min(samples, channel.tape.recorded_from(channel.seek));
  return samples;
}

Status SequentialJob::transcribe_windows(std::size_t index, bool at_end) {
  Channel& channel = channels_[index];
  while (true) {
    const std::int64_t left = channel.tape.end() - channel.seek;
    const std::int64_t least = !at_end ? kMaxWindowSamples : channel.seek > 0 ? kShortestRest : 1;
    if (left < least) return {};
    STENOD_RETURN_IF_ERROR(transcribe_window(index, at_end));
    channel.tape.forget(channel.seek);
    publish_settled();
    report();
  }
}

Status SequentialJob::transcribe_window(std::size_t index, bool at_end) {
  Channel& channel = channels_[index];
  const std::int64_t num_samples = std::min(kMaxWindowSamples, channel.tape.end() - channel.seek);
  const Window window = channel.tape.window(channel.seek, num_samples);
  auto outcome = decode(channel, num_samples);
  channel.has_begun = true;
  std::int64_t advance = num_samples;
  if (outcome) {
    engine::WindowResult& result = *outcome;
    result.segments.resize(std::min(result.segments.size(), result.continuation.num_segments));
    const std::int64_t heard = result.continuation.frame * kSamplesPerEncoderFrame;
    if (heard > 0) advance = std::min(heard, num_samples);
    if (options().word_timestamps && !result.suppressed) {
      advance = go_on_behind_words(channel, result, num_samples, at_end);
      for (const engine::Segment& segment : result.segments) {
        if (!segment.words.empty()) channel.last_speech_s = seconds(channel.seek) + segment.words.back().end_s;
      }
    }
    // Silence says nothing about what is said after it.
    if (result.suppressed != whisper::QualityIssue::kNoSpeech) remember(channel, result);
  }
  channel.seek += std::max(advance, std::min(num_samples, kLeastAdvance));
  STENOD_RETURN_IF_ERROR(settle(window, static_cast<int>(index), std::move(outcome)));
  set_done(channel.tape.recorded_from(channel.seek));
  return {};
}

Result<engine::WindowResult> SequentialJob::decode(const Channel& channel, std::int64_t num_samples) {
  auto features = std::make_shared<audio::LogMel>();
  features->num_mels = recogniser().dims().num_mels;
  audio::LogMelExtractor extractor(features->num_mels);
  extractor.append(channel.tape.samples(channel.seek, num_samples), *features);
  extractor.flush(*features);
  limit_to_window(*features);

  whisper::DecodingOptions decoding = window_options();
  decoding.segmentation = whisper::Segmentation::kTimestamps;
  decoding.window = whisper::WindowPolicy::kFull;
  decoding.prompt =
      join_prompt(plan().hotwords, channel.previous, max_prompt_tokens(recogniser().dims().max_text_positions));
  if (channel.has_begun) decoding.prefix.clear();
  STENOD_ASSIGN_OR_RETURN(const auto call,
                          EngineCall::start_patiently(recogniser().engine(),
                                                      request_for(std::move(features), std::move(decoding)), stop()));
  return wait(*call);
}

/// Where the next window begins, in samples from the start of this one, when words are timed: behind the last word
/// rather than at a timestamp, and where text was made up about silence, behind the silence.
std::int64_t SequentialJob::go_on_behind_words(const Channel& channel, engine::WindowResult& result,
                                               std::int64_t num_samples, bool at_end) const {
  const auto within = [&](std::int64_t samples) {
    return std::clamp<std::int64_t>(samples, kSamplesPerEncoderFrame, std::max(num_samples, kSamplesPerEncoderFrame));
  };
  std::int64_t advance = within(result.continuation.frame * kSamplesPerEncoderFrame);
  const auto last = std::find_if(result.segments.rbegin(), result.segments.rend(),
                                 [](const engine::Segment& segment) { return !segment.words.empty(); });
  if (last != result.segments.rend() && !result.continuation.ends_with_single_timestamp) {
    const std::int64_t spoken = to_samples(last->words.back().end_s);
    if (spoken > 0) advance = within(spoken);
  }
  if (options().hallucination_silence_threshold_s) {
    SpokenContext context{.threshold_s = *options().hallucination_silence_threshold_s,
                          .window_start_s = seconds(channel.seek),
                          .last_speech_s = channel.last_speech_s,
                          .window_s = seconds(num_samples)};
    if (at_end) context.end_s = seconds(channel.tape.end());
    if (const auto skip = find_hallucination(result.segments, context)) {
      result.segments.resize(skip->num_segments);
      advance =
          std::max(kSamplesPerEncoderFrame, std::min(to_samples(skip->next_s), channel.tape.end() - channel.seek));
    }
  }
  return advance;
}

/// Keeps what was said for the next window. Text of a high temperature is guesswork, which would spread.
void SequentialJob::remember(Channel& channel, const engine::WindowResult& result) const {
  const double most = options().prompt_reset_on_temperature.value_or(kDefaultPromptResetTemperature);
  if (!conditions() || static_cast<double>(result.last_temperature) > most) {
    channel.previous.clear();
    return;
  }
  // The tokens of the segments that are kept, and the timestamp behind each.
  std::size_t num_text = 0;
  for (const engine::Segment& segment : result.segments) num_text += segment.tokens.size();
  if (num_text == 0) return;
  const auto& special = recogniser().tokenizer().special();
  for (const int token : result.continuation.tokens) {
    const bool is_text = token < special.eot;
    if (num_text == 0 && (is_text || channel.previous.empty() || channel.previous.back() >= special.timestamp_begin)) {
      break;
    }
    channel.previous.push_back(token);
    if (is_text) --num_text;
  }
  const auto most_tokens = static_cast<std::size_t>(recogniser().dims().max_text_positions / 2);
  if (channel.previous.size() > most_tokens) {
    channel.previous.erase(channel.previous.begin(), channel.previous.end() - static_cast<std::ptrdiff_t>(most_tokens));
  }
}

}  // namespace stenod::transcribe
