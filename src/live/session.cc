#include "live/session.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace stenod::live {
namespace {

constexpr double kRate = audio::kSampleRate;
// A sender that is further ahead of the clock is served like a file until it is level again.
constexpr double kAhead_s = 10;
constexpr double kLevel_s = 0.5;
constexpr double kPaceWindow_s = 2;
constexpr double kSpeechPace = 1.3;
// No more is read while so much audio waits for its text.
constexpr double kMaxWaiting_s = 90;
// A client that sends nothing for so long in mid-speech has stopped; nobody should wait for the silence that would end
// the utterance.
constexpr auto kStalled = std::chrono::seconds(2);
// As much is judged at once: so often the engine hears of what is new in a long push().
constexpr std::size_t kSliceSamples = 16000;

}  // namespace

Result<std::shared_ptr<Session>> Session::create(Parts parts, SessionSettings settings) {
  const SpeechModel& model = parts.model;
  if (settings.language && model.multilingual && !model.language_token(*settings.language)) {
    return Error{ErrorCode::kInvalidArgument,
                 "unknown language '" + *settings.language + "', expected auto or a code such as en, de, zh",
                 "language"};
  }
  if (settings.language && !model.multilingual && *settings.language != "en") {
    return Error{ErrorCode::kInvalidArgument, "this model knows only English, not '" + *settings.language + "'",
                 "language"};
  }
  if (!model.multilingual) settings.language.reset();  // such models are not told
  if (settings.task == whisper::Task::kTranslate && !model.multilingual) {
    return Error{ErrorCode::kInvalidArgument, "an English-only model does not translate", "task"};
  }
  if (!model.has_word_times && (settings.words || settings.chunking == Chunking::kFixed)) {
    return Error{ErrorCode::kNotSupported, "the model's configuration names no alignment heads: no word times",
                 settings.words ? "words" : "chunking"};
  }
  STENOD_ASSIGN_OR_RETURN(auto decoder, audio::StreamDecoder::create(settings.format));
  return std::shared_ptr<Session>(new Session(std::move(parts), std::move(settings), std::move(decoder)));
}

Session::Session(Parts parts, SessionSettings settings, std::unique_ptr<audio::StreamDecoder> decoder)
    : parts_(std::move(parts)), settings_(std::move(settings)), decoder_(std::move(decoder)) {
  if (!settings_.prompt.empty() || !settings_.hotwords.empty()) {
    prompt_ = parts_.model.prompt_tokens(settings_.hotwords, settings_.prompt);
  }
}

Session::~Session() = default;

Status Session::push(std::span<const std::byte> bytes, Clock::time_point now) {
  if (!end_reason_.empty()) return {};
  if (!last_audio_) clock_zero_ = pace_from_ = now;
  last_audio_ = now;
  compare_clocks(now);
  const Status decoded = decoder_->push(bytes, samples_);
  deliver(samples_);  // what came before an error was received, too
  const audio::StreamCounters counters = decoder_->counters();
  if (!has_warned_ && counters.num_not_finite > 0) {
    has_warned_ = true;
    emit(Warning{"audio_not_finite",
                 "samples that are no numbers count as silence; is the audio 32-bit float, as the settings say?"});
  }
  return decoded;
}

void Session::deliver(const audio::ChannelSamples& samples) {
  // Channels come with the first audio: a container says itself how many it has.
  while (channels_.size() < samples.size()) {
    channels_.push_back(std::make_unique<Channel>(*this, static_cast<int>(channels_.size())));
  }
  const std::size_t length = samples.empty() ? 0 : samples.front().size();
  for (std::size_t begin = 0; begin < length; begin += kSliceSamples) {
    for (std::size_t c = 0; c < samples.size(); ++c) {
      channels_[c]->push(std::span(samples[c]).subspan(begin, std::min(kSliceSamples, length - begin)));
    }
  }
  const auto speaks = [](const auto& channel) { return channel->is_speaking(); };
  was_speaking_ = std::any_of(channels_.begin(), channels_.end(), speaks);
}

void Session::compare_clocks(Clock::time_point now) {
  ahead_s_ = audio_s() - std::chrono::duration<double>(now - clock_zero_).count();
  if (ahead_s_ > kAhead_s) is_ahead_ = true;
  if (ahead_s_ < kLevel_s) is_ahead_ = false;

  // Whoever sends what was held back for a while, and then at the pace of speech, is level again once that is done.
  const double passed_s = std::chrono::duration<double>(now - pace_from_).count();
  if (passed_s < kPaceWindow_s) return;
  const double pace = (audio_s() - pace_from_audio_s_) / passed_s;
  pace_from_ = now;
  pace_from_audio_s_ = audio_s();
  if (!is_ahead_ || pace > kSpeechPace || waiting_samples() > 0) return;
  is_ahead_ = false;
  clock_zero_ -= std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(ahead_s_));
  ahead_s_ = 0;
}

void Session::finalize() {
  for (const auto& channel : channels_) channel->finalize(FinalReason::kFinalize);
}

void Session::end(std::string reason) {
  if (!end_reason_.empty()) return;
  end_reason_ = std::move(reason);
  (void)decoder_->finish(samples_);  // nobody is left to be told of half a packet
  deliver(samples_);
  for (const auto& channel : channels_) channel->finish(FinalReason::kEnd);
  conclude_if_done();
}

void Session::abandon(const std::string& reason) {
  end(reason);
  end_reason_ = reason;
  for (const auto& channel : channels_) channel->abandon(reason);
  conclude_if_done();
}

void Session::fail() {
  try {
    abandon(std::string(error_name(ErrorCode::kInternal)));
  } catch (const std::exception& e) {
    // Nothing more can be said; the connection's time-outs end it.
    log::error("live: a session that fails cannot be ended: {}", e.what());
    is_over_ = true;
  }
}

void Session::tick(Clock::time_point now) {
  if (is_over_) return;
  for (const auto& channel : channels_) channel->retry();
  if (last_audio_) compare_clocks(now);
  if (!wants_audio()) last_audio_ = now;  // the client is held up
  if (end_reason_.empty() && last_audio_ && now - *last_audio_ >= kStalled && !is_ahead_) {
    for (const auto& channel : channels_) channel->finalize(FinalReason::kStalled);
  }
  conclude_if_done();
}

Status Session::set_language(const std::optional<std::string>& code) {
  if (!parts_.model.multilingual) {
    if (!code || *code == "en") return {};
    return Error{ErrorCode::kInvalidArgument, "this model knows only English, not '" + *code + "'", "language"};
  }
  std::optional<int> token;
  if (code) {
    token = parts_.model.language_token(*code);
    if (!token) {
      return Error{ErrorCode::kInvalidArgument,
                   "unknown language '" + *code + "', expected auto or a code such as en, de, zh", "language"};
    }
  }
  settings_.language = code;
  for (const auto& channel : channels_) channel->set_language(token);
  return {};
}

std::int64_t Session::waiting_samples() const {
  std::int64_t waiting = 0;
  for (const auto& channel : channels_) waiting += channel->pending_samples();
  return waiting;
}

bool Session::wants_audio() const { return static_cast<double>(waiting_samples()) < kMaxWaiting_s * kRate; }

double Session::audio_s() const {
  return channels_.empty() ? 0 : static_cast<double>(channels_.front()->num_samples()) / kRate;
}

SessionStatus Session::status() const {
  SessionStatus status;
  status.audio_s = audio_s();
  status.ahead_s = ahead_s_;
  status.waiting_s = static_cast<double>(waiting_samples()) / kRate;
  status.is_speaking = was_speaking_ && !is_over_;
  status.num_finals = num_finals_;
  if (!channels_.empty()) {
    if (const auto token = channels_.front()->language_token()) status.language = parts_.model.language_code(*token);
  }
  if (!parts_.model.multilingual) status.language = "en";
  return status;
}

void Session::emit(Event event) {
  if (is_over_) return;
  if (const auto* final_message = std::get_if<Final>(&event)) {
    ++num_finals_;
    if (channels_.size() > 1) texts_.emplace_back(final_message->channel, final_message->text);
  }
  parts_.emit(std::move(event));
}

std::function<void(std::function<void()>)> Session::poster() {
  return [strand = parts_.strand, weak = weak_from_this()](std::function<void()> task) {
    strand.post([weak, task = std::move(task)] {
      const auto self = weak.lock();
      if (!self) return;
      try {
        task();
        self->conclude_if_done();
      } catch (const std::exception& e) {  // out of memory: one session ends, not all
        log::error("live: a session fails: {}", e.what());
        self->fail();
      }
    });
  };
}

scheduler::RequestClass Session::final_class() const {
  return is_ahead_ ? scheduler::RequestClass::kInteractive : scheduler::RequestClass::kLiveFinal;
}

double Session::partial_stretch() const { return parts_.pacer ? parts_.pacer->stretch(Clock::now()) : 1; }

void Session::on_suppressed(int channel, double start, double end, const std::string& reason, const std::string& text) {
  if (parts_.on_suppressed) parts_.on_suppressed(channel, start, end, reason, text);
}

void Session::conclude_if_done() {
  if (is_over_ || end_reason_.empty()) return;
  for (const auto& channel : channels_) {
    if (!channel->is_idle()) return;
  }
  End end;
  end.reason = end_reason_;
  const std::int64_t num_frames = decoder_->num_input_frames();
  for (const auto& channel : channels_) {
    if (const Status complete = channel->ledger().check(channel->num_samples()); !complete) {
      log::error("live: the ledger is wrong: {}", complete.error().message);
      end.is_accounted = false;
    }
    end.channels.push_back(channel->ledger().totals(channel->num_samples(), num_frames));
  }
  if (channels_.size() == 1) end.full_transcript = channels_.front()->transcript();
  for (const auto& [channel, text] : texts_) {
    if (!end.full_transcript.empty()) end.full_transcript += '\n';
    end.full_transcript += text;
  }
  const audio::StreamCounters counters = decoder_->counters();
  end.num_not_finite = counters.num_not_finite;
  end.num_clipped = counters.num_clipped;
  emit(std::move(end));
  is_over_ = true;
}

}  // namespace stenod::live
