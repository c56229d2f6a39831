#include "live/channel.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace stenod::live {
namespace {

constexpr std::int64_t kRate = audio::kSampleRate;
constexpr std::int64_t kHop = audio::kHopSamples;
// The detector notices a soft beginning late.
constexpr std::int64_t kPreRoll = 400 * kRate / 1000;
// The final is asked for when a pause is this long, and given out when it turns out to be long enough.
constexpr std::int64_t kSpeculateAfter = 200 * kRate / 1000;
// So much longer a pause must be behind what the model thinks is no end of a sentence, or is not sure of: people pause
// in mid-sentence, and both halves are harder to understand than the whole.
constexpr std::int64_t kPatience = 200 * kRate / 1000;
// Where cuts in mid-sentence mostly are below this, and ends of sentences above.
constexpr float kFinishedLogprob = -0.5f;
// At the latest an utterance that goes on ends at this length.
constexpr std::int64_t kMaxUtterance = 26 * kRate;
// Where no good place was found: the search for the quietest moment goes back so far.
constexpr std::int64_t kQuietSearch = 8 * kRate;
double seconds(std::int64_t samples) { return static_cast<double>(samples) / kRate; }
std::int64_t samples(double seconds) { return std::llround(seconds * kRate); }
std::int64_t on_grid(std::int64_t position) { return position / kHop * kHop; }

}  // namespace

std::string_view reason_name(FinalReason reason) {
  switch (reason) {
    case FinalReason::kSilence:
      return "silence";
    case FinalReason::kLength:
      return "length";
    case FinalReason::kChunk:
      return "chunk";
    case FinalReason::kFinalize:
      return "finalize";
    case FinalReason::kStalled:
      return "stalled";
    case FinalReason::kEnd:
      return "end";
  }
  return "";
}

Channel::Channel(ChannelHost& host, int index)
    : host_(host),
      index_(index),
      post_(host.poster()),
      alive_(std::make_shared<Channel*>(this)),
      extractor_(host.model().num_mels),
      endpointer_(static_cast<float>(host.settings().vad_threshold)),
      language_(host.settings().language ? host.model().language_token(*host.settings().language) : std::nullopt) {
  mel_.num_mels = host.model().num_mels;
}

Channel::~Channel() {
  *alive_ = nullptr;
  if (open_ && open_->partial) open_->partial->request_stop();
  if (open_ && open_->final_request) open_->final_request->stop.request_stop();
  for (const UtterancePtr& utterance : closed_) utterance->final_request->stop.request_stop();
}

// ---------------------------------------------------------------------------------------------- cutting

void Channel::push(std::span<const std::int16_t> samples) {
  extractor_.append(samples, mel_);
  num_samples_ += static_cast<std::int64_t>(samples.size());
  for (const std::int16_t sample : samples) unjudged_.push_back(static_cast<float>(sample) / 32768);
  const std::size_t whole = unjudged_.size() / Endpointer::kChunkSamples * Endpointer::kChunkSamples;
  judge(std::span(unjudged_).first(whole));
  unjudged_.erase(unjudged_.begin(), unjudged_.begin() + static_cast<std::ptrdiff_t>(whole));
  retry();
  ask_for_partial();
  forget();
}

void Channel::judge(std::span<const float> samples) {
  probabilities_.resize(samples.size() / Endpointer::kChunkSamples);
  if (probabilities_.empty()) return;
  host_.model().detect(vad_state_, samples, probabilities_);
  for (const float probability : probabilities_) on_probability(probability);
}

void Channel::on_probability(float probability) {
  endpointer_.push(probability);
  recent_.push_back(probability);
  if (is_fixed()) {
    follow_chunk(probability);
  } else {
    follow_speech(probability);
  }
}

void Channel::follow_speech(float probability) {
  if (!endpointer_.is_open()) return;
  const SessionSettings& settings = host_.settings();
  if (!open_) {
    open_utterance(std::max(free_from_, on_grid(endpointer_.speech_begin() - kPreRoll)), endpointer_.speech_begin());
  }
  Utterance& utterance = *open_;
  utterance.speech_end = endpointer_.speech_end();
  utterance.speech_peak = std::max(utterance.speech_peak, probability);
  const std::int64_t silence = endpointer_.silence();
  const std::int64_t long_silence = settings.silence_ms * kRate / 1000;
  const std::int64_t min_speech = settings.min_speech_ms * kRate / 1000;
  if (silence == 0 && utterance.final_request) take_back_final(utterance);
  utterance.is_confirmed |= utterance.speech_end - utterance.speech_begin >= min_speech;
  if (is_finished_) return;
  if (!utterance.is_confirmed) {
    if (silence >= long_silence) drop_short_speech();
    return;
  }
  if (silence >= std::min(kSpeculateAfter, long_silence) && !utterance.final_request) {
    ask_for_final(utterance, on_grid(endpointer_.position()));
  }
  if (is_over(utterance)) {
    close_utterance(FinalReason::kSilence, utterance.final_request->end);
  } else if (endpointer_.position() - utterance.begin >= kMaxUtterance) {
    if (utterance.final_request) {  // there is a pause
      close_utterance(FinalReason::kLength, utterance.final_request->end);
    } else {
      split_where_quietest();
    }
  }
}

bool Channel::is_over(const Utterance& utterance) const {
  const std::int64_t long_silence = host_.settings().silence_ms * kRate / 1000;
  const std::int64_t silence = endpointer_.silence();
  if (silence < long_silence || !utterance.final_request) return false;
  if (silence >= long_silence + kPatience) return true;
  const auto& outcome = utterance.final_request->outcome;
  if (!outcome) return false;
  if (!*outcome || (*outcome)->segments.empty()) return true;
  return (*outcome)->avg_logprob >= kFinishedLogprob && ends_sentence((*outcome)->segments.front().text);
}

void Channel::follow_chunk(float probability) {
  const SessionSettings& settings = host_.settings();
  const std::int64_t length = on_grid(samples(settings.chunk_s));
  const std::int64_t overlap = on_grid(samples(settings.overlap_s));
  if (!open_) {
    open_utterance(free_from_, free_from_);
    open_->is_confirmed = true;
  }
  open_->speech_peak = std::max(open_->speech_peak, probability);
  open_->speech_end = endpointer_.position();
  const std::int64_t end = open_->begin + length;
  if (is_finished_) return;
  if (endpointer_.position() >= end) close_chunk(FinalReason::kChunk, end, end - overlap);
}

void Channel::open_utterance(std::int64_t begin, std::int64_t speech_begin) {
  open_ = std::make_shared<Utterance>();
  open_->id = host_.next_utterance();
  open_->begin = begin;
  open_->share_begin = std::max(begin, free_from_);
  open_->speech_begin = open_->speech_end = speech_begin;
  open_->asked_at = speech_begin;
  open_->language = language_.token();
  // The rest of what was cut on request is speech, however short.
  open_->is_confirmed = cut_at_ >= 0 && speech_begin - cut_at_ < 2 * Endpointer::kChunkSamples;
  cut_at_ = -1;
}

// Precondition: a final has been asked for, or can be.
void Channel::close_utterance(FinalReason reason, std::int64_t end) {
  const UtterancePtr utterance = std::exchange(open_, nullptr);
  if (utterance->partial) utterance->partial->request_stop();
  if (!utterance->final_request) ask_for_final(*utterance, end);
  utterance->reason = reason;
  utterance->share_end = end;
  ledger_.add_silence(free_from_, utterance->begin);
  free_from_ = end;
  endpointer_.close();
  closed_.push_back(utterance);
  if (!utterance->final_request->is_submitted) submit_final(utterance);
  publish_closed();
}

// Pieces of fixed length share the audio in which they overlap; each accounts for its half.
void Channel::close_chunk(FinalReason reason, std::int64_t end, std::int64_t next_begin) {
  const UtterancePtr utterance = std::exchange(open_, nullptr);
  if (utterance->partial) utterance->partial->request_stop();
  utterance->share_begin = free_from_;
  utterance->share_end = next_begin + (end - next_begin) / 2;
  utterance->speech_end = end;
  utterance->reason = reason;
  free_from_ = utterance->share_end;
  if (utterance->speech_peak < host_.settings().vad_threshold) {
    ledger_.add_silence(utterance->share_begin, utterance->share_end);
  } else {
    ask_for_final(*utterance, end);
    closed_.push_back(utterance);
    if (!utterance->final_request->is_submitted) submit_final(utterance);
  }
  open_utterance(next_begin, next_begin);
  open_->is_confirmed = true;
  for (std::int64_t chunk = std::max(first_recent_, next_begin / Endpointer::kChunkSamples);
       chunk * Endpointer::kChunkSamples < endpointer_.position(); ++chunk) {
    open_->speech_peak = std::max(open_->speech_peak, recent_[static_cast<std::size_t>(chunk - first_recent_)]);
  }
}

void Channel::drop_short_speech() {
  const UtterancePtr utterance = std::exchange(open_, nullptr);
  ledger_.add_silence(free_from_, utterance->speech_begin);
  ledger_.add_dropped(utterance->speech_begin, utterance->speech_end, "too_short");
  host_.on_suppressed(index_, seconds(utterance->speech_begin), seconds(utterance->speech_end), "too_short", {});
  free_from_ = utterance->speech_end;
  endpointer_.close();
}

// Somebody speaks on and on, and no hypotheses agree on a place to cut.
void Channel::split_where_quietest() {
  Utterance& utterance = *open_;
  const std::int64_t position = endpointer_.position();
  const std::int64_t from = std::max({position - kQuietSearch, utterance.stable_end, utterance.begin + kRate});
  std::int64_t cut = position;
  float lowest = 2;
  for (std::int64_t chunk = from / Endpointer::kChunkSamples + 1; (chunk + 1) * Endpointer::kChunkSamples < position;
       ++chunk) {
    const float probability = recent_[static_cast<std::size_t>(chunk - first_recent_)];
    if (probability >= lowest) continue;
    lowest = probability;
    cut = chunk * Endpointer::kChunkSamples + Endpointer::kChunkSamples / 2;
  }
  cut = on_grid(cut);
  if (utterance.final_request) take_back_final(utterance);
  if (utterance.partial) utterance.partial->request_stop();
  utterance.speech_end = std::min(utterance.speech_end, cut);
  close_utterance(FinalReason::kLength, cut);
  go_on_from(cut);
}

// The speech that goes on is the next utterance.
void Channel::go_on_from(std::int64_t begin) {
  endpointer_.restart_at(begin);
  open_utterance(begin, begin);
  open_->speech_end = endpointer_.speech_end();
  open_->speech_peak = 1;
  open_->is_confirmed = true;
}

void Channel::finalize(FinalReason reason) {
  if (!open_) return;
  if (is_fixed()) {
    const std::int64_t end = on_grid(endpointer_.position());
    if (end > open_->begin) close_chunk(reason, end, end);
    return;
  }
  if (!open_->is_confirmed) return;
  const bool is_speaking = endpointer_.silence() == 0;
  close_utterance(reason, open_->final_request ? open_->final_request->end : on_grid(endpointer_.position()));
  if (is_speaking) cut_at_ = free_from_;
}

void Channel::set_language(std::optional<int> token) {
  language_.set(token);
  language_from_ = num_samples_;
  if (open_ && open_->stable.empty()) open_->language = token;
  if (context_) context_->language = token;
}

void Channel::finish(FinalReason reason) {
  if (is_finished_) return;
  is_finished_ = true;
  extractor_.flush(mel_);
  if (!unjudged_.empty()) {
    unjudged_.resize(Endpointer::kChunkSamples);
    judge(unjudged_);
    unjudged_.clear();
  }
  // The last chunk was filled up with silence that nobody has sent.
  if (open_) open_->speech_end = std::min(open_->speech_end, num_samples_);
  if (open_ && is_fixed()) {
    close_chunk(reason, num_samples_, num_samples_);
    open_.reset();
  } else if (open_ && !open_->is_confirmed) {
    drop_short_speech();
  } else if (open_) {
    const std::int64_t end = open_->final_request ? open_->final_request->end : num_samples_;
    close_utterance(reason, std::min(end, num_samples_));
  }
  for (const UtterancePtr& utterance : closed_) utterance->share_end = std::min(utterance->share_end, num_samples_);
  free_from_ = std::min(free_from_, num_samples_);
  ledger_.add_silence(free_from_, num_samples_);
  free_from_ = num_samples_;
}

void Channel::abandon(const std::string& reason) {
  for (const UtterancePtr& utterance : std::exchange(closed_, {})) {
    FinalRequest& request = *utterance->final_request;
    request.stop.request_stop();
    if (!request.outcome && request.best) request.outcome = std::move(*request.best);
    if (request.outcome) {
      publish(*utterance);
    } else if (utterance->stable.empty()) {
      drop(*utterance, reason, {});
    } else {
      publish_promised(*utterance);
    }
  }
}

std::int64_t Channel::pending_samples() const {
  std::int64_t pending = 0;
  for (const UtterancePtr& utterance : closed_) pending += utterance->share_end - utterance->share_begin;
  return pending;
}

// Frames and probabilities that no utterance can need any more.
void Channel::forget() {
  std::int64_t needed =
      std::max<std::int64_t>(free_from_, endpointer_.position() - kPreRoll - Endpointer::kChunkSamples);
  if (open_) needed = open_->begin;
  if (context_ && needed - context_->end <= kContextGap) needed = std::min(needed, context_->begin);
  needed = std::clamp<std::int64_t>(needed, 0, num_samples_);
  // In large steps, so that moving the rest costs little.
  const std::int64_t frames = std::min<std::int64_t>(needed / kHop - first_frame_, mel_.num_frames);
  if (frames >= 500) {
    mel_.values.erase(mel_.values.begin(), mel_.values.begin() + static_cast<std::ptrdiff_t>(frames * mel_.num_mels));
    mel_.num_frames -= static_cast<int>(frames);
    first_frame_ += frames;
  }
  while (!recent_.empty() && (first_recent_ + 1) * Endpointer::kChunkSamples <= needed) {
    recent_.pop_front();
    ++first_recent_;
  }
}

}  // namespace stenod::live
