#include "transcribe/language_vote.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "audio/decoder.h"
#include "transcribe/clips.h"
#include "transcribe/engine_call.h"
#include "transcribe/speech_stream.h"

namespace stenod::transcribe {
namespace {

/// The language of one window, in all of Whisper's 30 s, where models tell it best.
Result<DetectedLanguage> detect(Recogniser& recogniser, audio::LogMel features, const FileOptions& options,
                                const std::stop_token& stop) {
  engine::Request request;
  request.audio = std::make_shared<const audio::LogMel>(std::move(features));
  request.request_class = options.request_class;
  request.cancellation = stop;
  request.options.segmentation = whisper::Segmentation::kWhole;
  request.options.window = whisper::WindowPolicy::kFull;
  request.options.max_tokens = 1;
  request.options.may_repeat = false;
  STENOD_ASSIGN_OR_RETURN(const auto call, EngineCall::start_patiently(recogniser.engine(), request, stop));
  std::optional<Result<engine::WindowResult>> outcome;
  while (!outcome) outcome = call->take(std::chrono::seconds(1));
  if (!*outcome) return outcome->error();
  return DetectedLanguage{(**outcome).language_token, (**outcome).language_probability};
}

}  // namespace

bool LanguageVote::add(const DetectedLanguage& detected) {
  if (static_cast<double>(detected.probability) > threshold_) {
    certain_ = detected;
    return true;
  }
  const auto same = std::find_if(votes_.begin(), votes_.end(),
                                 [&](const Votes& votes) { return votes.language.token == detected.token; });
  if (same == votes_.end()) {
    votes_.push_back({detected, 1});
  } else {
    ++same->count;
    same->language.probability = std::max(same->language.probability, detected.probability);
  }
  return false;
}

std::optional<DetectedLanguage> LanguageVote::winner() const {
  if (certain_) return certain_;
  const auto most =
      std::max_element(votes_.begin(), votes_.end(), [](const Votes& a, const Votes& b) { return a.count < b.count; });
  if (most == votes_.end()) return std::nullopt;
  return most->language;
}

Result<std::optional<DetectedLanguage>> vote_on_language(Recogniser& recogniser, const std::filesystem::path& file,
                                                         const FileOptions& options, std::stop_token stop) {
  STENOD_ASSIGN_OR_RETURN(auto clips, make_clips(options.clip_timestamps));
  audio::DecoderOptions decoder_options;
  decoder_options.stop = stop;
  decoder_options.name = options.name;
  STENOD_ASSIGN_OR_RETURN(const auto decoder, audio::Decoder::open(file, decoder_options));
  ClipReader reader(*decoder, std::move(clips));

  LanguageVote vote(options.language_detection_threshold);
  int num_left = options.language_detection_segments;
  std::optional<SpeechStream> stream;
  audio::ChannelSamples samples;
  std::vector<SpeechWindow> windows;
  while (num_left > 0) {
    const auto event = reader.read(samples);
    if (!event) {
      if (stop.stop_requested()) return event.error();
      continue;  // with what follows an error: the ends
    }
    if (*event == ClipReader::Event::kEnd) break;
    if (!stream) {
      STENOD_ASSIGN_OR_RETURN(
          auto created, SpeechStream::create(options.vad ? &recogniser.vad() : nullptr, recogniser.dims().num_mels));
      stream.emplace(std::move(created));
    }
    windows.clear();
    if (*event == ClipReader::Event::kSamples) {
      stream->push(samples.front(), windows);
    } else {
      stream->finish(windows);
      stream.reset();
    }
    for (SpeechWindow& window : windows) {
      if (num_left-- <= 0) break;
      STENOD_ASSIGN_OR_RETURN(const DetectedLanguage detected,
                              detect(recogniser, std::move(window.features), options, stop));
      if (vote.add(detected)) return vote.winner();
    }
  }
  return vote.winner();
}

}  // namespace stenod::transcribe
