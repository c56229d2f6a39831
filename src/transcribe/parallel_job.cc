#include "transcribe/parallel_job.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace stenod::transcribe {
namespace {

// Windows of one file that wait in the engine or are being decoded. Enough to keep every slot busy, few enough that
// other files and people get their turn.
constexpr std::size_t kMaxInFlight = 32;

// In less than 5 s there are few words to go by, and letters or digits said one by one become a word. Whisper errs less
// often there with the timestamps and the silence that it was trained with (docs/accuracy.md).
constexpr int kShortWindowFrames = 500;  ///< of the features, 10 ms each

// Where languages change, whoever speaks behind a pause may speak another, and of a window in two languages much is
// left out (docs/accuracy.md). Pauses are those between stretches of speech, which their padding has made 0.8 s
// shorter.
constexpr std::int64_t kMaxPauseInOneLanguage = 0;

void give_room(whisper::DecodingOptions& decoding) {
  if (decoding.segmentation == whisper::Segmentation::kSentences) {
    decoding.segmentation = whisper::Segmentation::kTimestamps;
  }
  if (decoding.window == whisper::WindowPolicy::kProportional) decoding.window = whisper::WindowPolicy::kTenSeconds;
}

}  // namespace

Status ParallelJob::begin_clip(std::int64_t start, std::size_t num_channels) {
  clip_start_ = start;
  streams_.clear();
  const std::int64_t max_pause = options().multilingual ? kMaxPauseInOneLanguage : kMaxPauseSamples;
  for (std::size_t channel = 0; channel < num_channels; ++channel) {
    STENOD_ASSIGN_OR_RETURN(auto stream, SpeechStream::create(options().vad ? &recogniser().vad() : nullptr,
                                                              recogniser().dims().num_mels, max_pause));
    streams_.push_back(std::move(stream));
  }
  return {};
}

Status ParallelJob::push(const audio::ChannelSamples& samples) {
  for (std::size_t channel = 0; channel < streams_.size(); ++channel) {
    windows_.clear();
    streams_[channel].push(samples[channel], windows_);
    for (SpeechWindow& window : windows_) {
      STENOD_RETURN_IF_ERROR(start(static_cast<int>(channel), std::move(window)));
    }
  }
  return collect_finished();
}

Status ParallelJob::end_clip() {
  for (std::size_t channel = 0; channel < streams_.size(); ++channel) {
    windows_.clear();
    streams_[channel].finish(windows_);
    for (SpeechWindow& window : windows_) {
      STENOD_RETURN_IF_ERROR(start(static_cast<int>(channel), std::move(window)));
    }
  }
  return collect_finished();
}

Status ParallelJob::finish() {
  while (!pending_.empty()) {
    STENOD_RETURN_IF_ERROR(collect_oldest());
    publish_settled();
    report();
  }
  return {};
}

Status ParallelJob::start(int channel, SpeechWindow window) {
  for (Piece& piece : window.window.pieces) piece = {piece.start + clip_start_, piece.end + clip_start_};
  // Where the first window decides the language for all, they wait for it.
  const bool decides = first_window_decides();
  const auto features = std::make_shared<const audio::LogMel>(std::move(window.features));
  while (true) {
    if (pending_.size() >= kMaxInFlight) STENOD_RETURN_IF_ERROR(collect_oldest());
    whisper::DecodingOptions decoding = window_options();
    if (features->num_frames < kShortWindowFrames) give_room(decoding);
    decoding.thresholds = thresholds_for(window.speech_peak, decoding.thresholds);
    auto call = EngineCall::start(recogniser().engine(), request_for(features, std::move(decoding)));
    if (call) {
      pending_.push_back({channel, std::move(window.window), *std::move(call)});
      break;
    }
    if (call.error().code != ErrorCode::kOverloaded) return call.error();
    if (stop().stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
    if (pending_.empty()) {
      std::this_thread::sleep_for(kRetryAfter);
    } else {
      STENOD_RETURN_IF_ERROR(collect_oldest());
    }
  }
  return decides ? collect_oldest() : Status();
}

Status ParallelJob::collect_oldest() {
  const Pending pending = pending_.front();
  auto outcome = wait(*pending.call);
  pending_.pop_front();
  set_done(pending.window.end());
  return settle(pending.window, pending.channel, std::move(outcome));
}

Status ParallelJob::collect_finished() {
  while (!pending_.empty() && pending_.front().call->is_done()) STENOD_RETURN_IF_ERROR(collect_oldest());
  return {};
}

std::int64_t ParallelJob::settled_samples() const {
  auto samples = std::numeric_limits<std::int64_t>::max();
  for (const SpeechStream& stream : streams_) samples = std::min(samples, clip_start_ + stream.settled_samples());
  for (const Pending& pending : pending_) samples = std::min(samples, pending.window.start());
  return samples;
}

double ParallelJob::encoded_s() const {
  double encoded_s = 0;
  for (const Pending& pending : pending_) {
    if (pending.call->is_encoded()) encoded_s += seconds(pending.window.end() - pending.window.start());
  }
  return encoded_s;
}

}  // namespace stenod::transcribe
