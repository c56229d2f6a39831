// The other half of Channel: what it asks the engine, and what it makes of the answers. channel.cc cuts the stream.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "live/channel.h"
#include "text/language.h"
#include "text/utf8.h"
#include "transcribe/speech_stream.h"

namespace stenod::live {
namespace {

constexpr std::int64_t kRate = audio::kSampleRate;
constexpr std::int64_t kHop = audio::kHopSamples;
// A frame at the end of what has arrived sees so many samples that have not.
constexpr std::int64_t kFrameReach = 240;
// An utterance that goes on is ended at a good place from this length on.
constexpr std::int64_t kLongUtterance = 8 * kRate;
// Word times are asked for a little before they may be needed: agreement takes two hypotheses.
constexpr std::int64_t kTimesFrom = 6 * kRate;
// Words that end later than this before the end of the audio may still change.
constexpr double kUnsettled_s = 0.5;
// From this length on anywhere, and by any hypothesis.
constexpr std::int64_t kVeryLongUtterance = 16 * kRate;
// A hypothesis that the model believes in less is no reason to end a shorter one.
constexpr float kCommitLogprob = -0.8f;
// The interval of partials while an utterance is young, and how long it is young; before its first words.
constexpr std::int64_t kYoungInterval = 400 * kRate / 1000;
constexpr std::int64_t kYoung = 3 * kRate;
constexpr std::int64_t kFirstInterval = 200 * kRate / 1000;
// However busy the engine is: words are to appear while a sentence is new, and its windows are short.
constexpr std::int64_t kMaxYoungInterval = kRate;
// The interval of hypotheses where no partials are wanted.
constexpr std::int64_t kHiddenInterval = kRate;
// What is promised must have been heard so long ago, and by every hypothesis since. Fewer errors are promised than by
// the agreement of two hypotheses in a row, which may have heard nearly the same.
constexpr std::int64_t kSettleAfter = 1500 * kRate / 1000;
// At a pause the first half of an utterance of this length and more is promised in any case.
constexpr std::int64_t kHalfSettled = 4 * kRate;
// Of tokens: prefix and draft each, below the model's 224.
constexpr std::size_t kMaxKnownTokens = 200;
// Context is worth its cost up to so much: of its audio, of that and the utterance's, of its text.
constexpr std::int64_t kMaxContext = 10 * kRate;
constexpr std::int64_t kMaxWithContext = 18 * kRate;
constexpr std::size_t kMaxContextTokens = 100;
// And while partials are not much rarer for it: finals are worth more, but words are to appear as well.
constexpr double kContextStretch = 2.5;
// A final that the model is not sure of is decoded once more, of audio that begins a little later, and the better one
// taken: what it is not sure of depends on how sounds happen to fall into frames. On read speech that takes off a
// fifteenth of the errors.
constexpr float kSureLogprob = -0.15f;
constexpr int kMaxAsked = 2;
constexpr std::int64_t kNextShift = 5 * kHop;
constexpr std::int64_t kMaxAskedAgain = 15 * kRate;
// So many tokens of the context at the beginning of what comes behind it are no chance.
constexpr std::size_t kEchoTokens = 4;
// A final that is shorter than the partial before by so much has lost something.
constexpr std::size_t kLostTokens = 4;
// A partial that is older than this is of no use.
constexpr auto kPartialDeadline = std::chrono::seconds(4);

double seconds(std::int64_t samples) { return static_cast<double>(samples) / kRate; }
std::int64_t samples(double seconds) { return std::llround(seconds * kRate); }

/// How long a pause between words must be to end an utterance of that length there, where no sentence ends.
double min_pause_s(std::int64_t length) {
  if (length < 12 * kRate) return 0.25;
  if (length < kVeryLongUtterance) return 0.1;
  return -1;
}

/// Partials are not repeated in a longer window; instead nothing is shown that looks wrong. What the model merely is
/// not sure of is shown, as it would be in a final: of speech that is hard to understand there is nothing else.
bool is_presentable(const engine::WindowResult& result) {
  using whisper::QualityIssue;
  if (result.suppressed) return false;
  return !result.doubt || *result.doubt == QualityIssue::kLanguage || *result.doubt == QualityIssue::kLowLogprob;
}

/// Leaves what was said in the utterance itself, with times from its beginning on.
void take_off_context(const FinalRequest& request, std::int64_t begin, const engine::TextFunctions& text,
                      engine::WindowResult& result) {
  if (result.segments.empty() || request.begin == begin) return;
  engine::Segment& segment = result.segments.front();
  if (request.context) {
    const std::size_t num_given = std::min(request.context->tokens.size(), segment.tokens.size());
    segment.tokens.erase(segment.tokens.begin(), segment.tokens.begin() + static_cast<std::ptrdiff_t>(num_given));
    segment.text = text.detokenise(segment.tokens);
    std::erase_if(segment.words, [&](const auto& word) { return word.first_token < static_cast<int>(num_given); });
    for (whisper::WordSpan& word : segment.words) word.first_token -= static_cast<int>(num_given);
  }
  const double offset_s = seconds(begin - request.begin);
  for (whisper::WordSpan& word : segment.words) {
    word.start_s = std::max(0.0, word.start_s - offset_s);
    word.end_s = std::max(0.0, word.end_s - offset_s);
  }
}

/// Whether a text begins with what was given last.
bool begins_with_end_of(const std::vector<int>& given, const std::vector<int>& tokens) {
  for (std::size_t length = std::min(given.size(), tokens.size()); length >= kEchoTokens; --length) {
    if (std::equal(given.end() - static_cast<std::ptrdiff_t>(length), given.end(), tokens.begin())) return true;
  }
  return false;
}

/// Models sometimes think that all was said with the text that was given, write it once more, or go astray behind it.
bool is_lost_in_context(const engine::WindowResult& result, const Context& context, const Utterance& utterance) {
  using whisper::QualityIssue;
  if (result.segments.empty() || is_trailing_punctuation(result.segments.front().text)) return true;
  if (begins_with_end_of(context.tokens, result.segments.front().tokens)) return true;
  const auto issue = result.doubt.value_or(QualityIssue::kLanguage);
  if (issue != QualityIssue::kLanguage && issue != QualityIssue::kLowLogprob) return true;
  const Hypothesis& latest = utterance.latest();
  return result.segments.front().tokens.size() + kLostTokens <= latest.tokens().size();
}

std::shared_ptr<const audio::LogMel> without_first(const audio::LogMel& mel, std::int64_t num_frames) {
  auto own = std::make_shared<audio::LogMel>();
  const int first = static_cast<int>(std::clamp<std::int64_t>(num_frames, 0, mel.num_frames - 1));
  own->num_mels = mel.num_mels;
  own->num_frames = mel.num_frames - first;
  own->values.assign(mel.values.begin() + static_cast<std::ptrdiff_t>(first) * mel.num_mels, mel.values.end());
  return own;
}

}  // namespace

// ---------------------------------------------------------------------------------------------- asking

std::shared_ptr<const audio::LogMel> Channel::features(std::int64_t begin, std::int64_t end) const {
  const std::int64_t last = end == num_samples_ && is_finished_ ? (end + kHop - 1) / kHop : (end - kFrameReach) / kHop;
  const std::int64_t from = std::clamp<std::int64_t>(begin / kHop - first_frame_, 0, mel_.num_frames);
  const std::int64_t to = std::clamp<std::int64_t>(last - first_frame_, from, mel_.num_frames);
  auto features = std::make_shared<audio::LogMel>();
  features->num_mels = mel_.num_mels;
  features->num_frames = static_cast<int>(std::min<std::int64_t>(to - from, audio::kMaxWindowFrames));
  const auto first = mel_.values.begin() + static_cast<std::ptrdiff_t>(from * mel_.num_mels);
  features->values.assign(first, first + static_cast<std::ptrdiff_t>(features->num_frames) * mel_.num_mels);
  if (features->num_frames == 0) {  // less than a frame at the very end
    features->num_frames = 1;
    features->values.assign(static_cast<std::size_t>(mel_.num_mels), -10.0f);
  }
  return features;
}

std::optional<Context> Channel::context_for(const Utterance& utterance, std::int64_t end) const {
  const bool fits = context_ && !is_fixed() && utterance.speech_peak >= transcribe::kClearSpeech &&
                    utterance.begin >= context_->end && utterance.begin - context_->end <= kContextGap &&
                    context_->end - context_->begin <= kMaxContext && end - context_->begin <= kMaxWithContext &&
                    context_->tokens.size() <= kMaxContextTokens &&
                    context_->tokens.size() + utterance.stable.size() <= kMaxKnownTokens &&
                    context_->begin / kHop >= first_frame_ && host_.partial_stretch() <= kContextStretch;
  return fits ? context_ : std::nullopt;
}

// What was begun before the client changed the language keeps its own.
std::optional<int> Channel::language_for(const Utterance& utterance) const {
  return utterance.begin >= language_from_ && language_.token() ? language_.token() : utterance.language;
}

engine::Request Channel::make_request(const Utterance& utterance, std::int64_t end,
                                      const std::optional<Context>& context, const std::vector<int>& known) const {
  const SessionSettings& settings = host_.settings();
  const SpeechModel& model = host_.model();
  engine::Request request;
  auto& options = request.options;
  options.language_token = language_for(utterance);
  options.task = settings.task;
  options.segmentation = whisper::Segmentation::kWhole;
  options.suppressed = model.suppressed;
  options.thresholds = transcribe::thresholds_for(utterance.speech_peak);
  options.word_times = model.has_word_times && (is_fixed() || end - utterance.begin >= kTimesFrom);
  options.prompt = host_.prompt();
  if (context) options.prefix = context->tokens;
  options.prefix.insert(options.prefix.end(), utterance.stable.begin(), utterance.stable.end());
  options.prefix_is_promised = !options.prefix.empty();
  if (context && !options.language_token) options.language_token = context->language;
  const std::size_t num_stable = utterance.stable.size();
  if (known.size() > num_stable && std::equal(utterance.stable.begin(), utterance.stable.end(), known.begin())) {
    const std::size_t num_draft = std::min(known.size() - num_stable, kMaxKnownTokens);
    const auto first = known.begin() + static_cast<std::ptrdiff_t>(num_stable);
    options.draft.assign(first, first + static_cast<std::ptrdiff_t>(num_draft));
  }
  return request;
}

void Channel::ask_for_partial() {
  const SessionSettings& settings = host_.settings();
  if (!open_ || !open_->is_confirmed || is_finished_) return;
  // Finals come first, in time and in order.
  if (open_->partial || open_->final_request || !closed_.empty() || !host_.wants_partials()) return;
  if (is_fixed() && open_->speech_peak < settings.vad_threshold) return;
  const std::int64_t position = endpointer_.position();
  const bool is_young = position - open_->speech_begin < kYoung;
  std::int64_t interval = settings.partial_interval_ms * kRate / 1000;
  if (!shows_partials()) {
    // What goes on is cut by them.
    if (is_fixed() || position - open_->begin < kTimesFrom) return;
    interval = kHiddenInterval;
  } else if (is_young) {
    interval = std::min(interval, open_->revision == 0 ? kFirstInterval : kYoungInterval);
  }
  auto wanted = static_cast<std::int64_t>(host_.partial_stretch() * static_cast<double>(interval));
  if (is_young) wanted = std::min(wanted, std::max(interval, kMaxYoungInterval));
  if (position - open_->asked_at < wanted) return;

  // At this rate on average, however coarse the pieces in which the audio comes.
  open_->asked_at = std::max(open_->asked_at + wanted, position - wanted / 2);
  auto stop = std::make_shared<std::stop_source>();
  engine::Request request = make_request(*open_, position, std::nullopt, open_->latest().tokens());
  request.audio = features(open_->begin, position);
  request.request_class = scheduler::RequestClass::kLivePartial;
  request.deadline = std::chrono::steady_clock::now() + kPartialDeadline;
  request.cancellation = stop->get_token();
  request.options.may_repeat = false;
  auto callback = [post = post_, alive = alive_, utterance = open_, stop,
                   position](Result<engine::WindowResult> outcome) {
    post([alive, utterance, stop, position, outcome = std::move(outcome)]() mutable {
      if (*alive == nullptr) return;
      if (utterance->partial == stop) utterance->partial = nullptr;
      (*alive)->on_partial(utterance, position, std::move(outcome));
    });
  };
  // A full engine has no time for partials; the next one comes soon.
  if (host_.model().recognise(std::move(request), std::move(callback))) open_->partial = std::move(stop);
}

void Channel::ask_for_final(Utterance& utterance, std::int64_t end) {
  utterance.final_request = std::make_shared<FinalRequest>();
  FinalRequest& request = *utterance.final_request;
  request.context = context_for(utterance, end);
  request.begin = request.context ? request.context->begin : utterance.begin;
  request.end = end;
  request.features = features(request.begin, end);
  if (utterance.partial) utterance.partial->request_stop();
  if (open_.get() == &utterance) submit_final(open_);
}

void Channel::submit_final(const UtterancePtr& utterance) {
  const auto final_request = utterance->final_request;
  // The first final settles the language of all that follow.
  const bool is_settled = language_.token() || !host_.model().multilingual;
  if (!is_settled && !closed_.empty() && closed_.front() != utterance) return;
  const std::vector<int> known = final_request->best && !final_request->best->segments.empty()
                                     ? final_request->best->segments.front().tokens
                                     : utterance->latest().tokens();
  engine::Request request = make_request(*utterance, final_request->end, final_request->context, known);
  request.options.search.beam_size = host_.settings().beam_size;
  request.audio = final_request->features;
  request.request_class = host_.final_class();
  request.cancellation = final_request->stop.get_token();
  request.options.word_times |= host_.settings().words;
  auto callback = [post = post_, alive = alive_, utterance, final_request](Result<engine::WindowResult> outcome) {
    post([alive, utterance, final_request, outcome = std::move(outcome)]() mutable {
      if (*alive != nullptr) (*alive)->on_final(utterance, final_request.get(), std::move(outcome));
    });
  };
  const Status submitted = host_.model().recognise(std::move(request), std::move(callback));
  final_request->is_submitted = submitted || submitted.error().code != ErrorCode::kOverloaded;
  if (submitted || !final_request->is_submitted) return;
  if (final_request->best) {
    final_request->outcome = *final_request->best;
  } else {
    final_request->outcome = submitted.error();
  }
}

// The speaker goes on. What the engine has found, or finds yet, was a hypothesis like others.
void Channel::take_back_final(Utterance& utterance) {
  utterance.final_request->stop.request_stop();
  utterance.final_request = nullptr;
}

void Channel::retry() {
  do {
    submit_waiting();
  } while (publish_closed());
}

void Channel::submit_waiting() {
  for (const UtterancePtr& utterance : closed_) {
    if (!utterance->final_request->is_submitted) submit_final(utterance);
  }
  if (open_ && open_->final_request && !open_->final_request->is_submitted) submit_final(open_);
}

// ---------------------------------------------------------------------------------------------- answers

void Channel::on_partial(const UtterancePtr& utterance, std::int64_t end, Result<engine::WindowResult> outcome) {
  if (!outcome || utterance != open_ || utterance->final_request) return;
  take_hypothesis(utterance, end, *outcome, false);
}

void Channel::on_final(const UtterancePtr& utterance, const FinalRequest* request,
                       Result<engine::WindowResult> outcome) {
  if (utterance->final_request.get() != request) return;  // taken back
  bool is_lost = false;
  if (outcome) {
    take_off_context(*request, utterance->begin, host_.model().text, *outcome);
    is_lost = request->context && is_lost_in_context(*outcome, *request->context, *utterance);
    // The audio alone, then.
    if (is_lost && !request->best) return ask_again(utterance, utterance->begin, std::nullopt);
  }
  if (request->best &&
      (!outcome || is_lost || outcome->suppressed || outcome->avg_logprob <= request->best->avg_logprob)) {
    outcome = *request->best;
  }
  if (outcome && wants_another(*request, *outcome)) {
    return ask_again(utterance, request->begin + kNextShift, std::move(*outcome));
  }
  utterance->final_request->outcome = std::move(outcome);
  if (utterance == open_) {
    // Not yet sure that the utterance is over, but these are its words.
    if (*utterance->final_request->outcome && !is_fixed()) {
      take_hypothesis(utterance, request->end, **utterance->final_request->outcome, true);
    }
    if (!is_fixed() && is_over(*utterance)) close_utterance(FinalReason::kSilence, request->end);
    return;
  }
  retry();
}

bool Channel::wants_another(const FinalRequest& request, const engine::WindowResult& best) const {
  return request.num_asked < kMaxAsked && !best.suppressed && best.avg_logprob < kSureLogprob && !is_fixed() &&
         request.end - request.begin <= kMaxAskedAgain && host_.partial_stretch() <= kContextStretch &&
         host_.final_class() == scheduler::RequestClass::kLiveFinal;
}

// The same audio from `begin` on; `best`: what was made of it so far.
void Channel::ask_again(const UtterancePtr& utterance, std::int64_t begin, std::optional<engine::WindowResult> best) {
  const FinalRequest& before = *utterance->final_request;
  const auto again = std::make_shared<FinalRequest>();
  if (best) {
    again->context = before.context;
    again->num_asked = before.num_asked + 1;
  }
  again->begin = begin;
  again->end = before.end;
  again->features = without_first(*before.features, (begin - before.begin) / kHop);
  again->best = std::move(best);
  utterance->final_request = again;
  submit_final(utterance);
}

void Channel::take_hypothesis(const UtterancePtr& utterance, std::int64_t end, const engine::WindowResult& result,
                              bool is_pause) {
  Hypothesis hypothesis = make_hypothesis(result, host_.model().text);
  if (!is_presentable(result) || hypothesis.words.empty()) return;
  if (utterance->begin >= language_from_) {
    language_.hear(result.language_token, result.language_probability,
                   seconds(utterance->speech_end - utterance->speech_begin), false);
  }
  const std::size_t num_agreed = num_agreed_words(utterance->latest(), hypothesis);
  // Who has paused has finished the word.
  const std::int64_t settle_after = is_pause ? 0 : kSettleAfter;
  if (!is_fixed() && shows_partials() && result.doubt != whisper::QualityIssue::kLowLogprob) {
    std::size_t num_settled = settled_words(*utterance, hypothesis, end - settle_after);
    // Of what was decoded as a final the first half has been heard long ago.
    if (is_pause && end - utterance->begin >= kHalfSettled) {
      num_settled = std::max(num_settled, (hypothesis.words.size() + 1) / 2);
    }
    promise(*utterance, hypothesis, num_settled, end, result.language_token);
  }
  while (utterance->heard.size() >= 2 && utterance->heard[1].end <= end - kSettleAfter) utterance->heard.pop_front();
  utterance->heard.push_back({end, std::move(hypothesis)});
  if (!is_pause && !is_fixed() && commit(utterance, num_agreed, end, result)) return;
  publish_partial(*utterance, end);
}

// The words that a hypothesis shares with all those since `heard_by`, and with the newest before that, but for the last
// one of that, which may have been cut off.
std::size_t Channel::settled_words(const Utterance& utterance, const Hypothesis& hypothesis,
                                   std::int64_t heard_by) const {
  std::size_t settled = hypothesis.words.size();
  for (auto earlier = utterance.heard.rbegin(); earlier != utterance.heard.rend(); ++earlier) {
    settled = std::min(settled, num_agreed_words(earlier->hypothesis, hypothesis));
    if (earlier->end <= heard_by) return std::min(settled, earlier->hypothesis.words.size() - 1);
  }
  return 0;
}

// The model says itself whether the sentence has ended, when it hears how it goes on.
void Channel::drop_trailing_punctuation(std::vector<int>& tokens) const {
  const auto& detokenise = host_.model().text.detokenise;
  while (tokens.size() > 1 && is_trailing_punctuation(detokenise(std::span(tokens).last(1)))) tokens.pop_back();
}

void Channel::promise(Utterance& utterance, const Hypothesis& hypothesis, std::size_t num_words, std::int64_t end,
                      int language_token) {
  std::vector<int> tokens = hypothesis.tokens(0, num_words);
  drop_trailing_punctuation(tokens);
  if (tokens.size() <= utterance.stable.size() || tokens.size() > kMaxKnownTokens) return;
  utterance.stable = std::move(tokens);
  utterance.stable_end = hypothesis.has_times ? utterance.begin + samples(hypothesis.words[num_words - 1].end_s) : end;
  if (!utterance.language && language_token >= 0) utterance.language = language_token;
}

// Ends an utterance that goes on, behind a word that two hypotheses agree on.
bool Channel::commit(const UtterancePtr& utterance, std::size_t num_agreed, std::int64_t end,
                     const engine::WindowResult& result) {
  const std::int64_t length = end - utterance->begin;
  const Hypothesis& hypothesis = utterance->latest();
  if (length < kLongUtterance || !hypothesis.has_times) return false;
  if (length < kVeryLongUtterance && result.avg_logprob < kCommitLogprob) return false;
  std::size_t min_words = 0;
  for (std::size_t tokens = 0; tokens < utterance->stable.size() && min_words < hypothesis.words.size(); ++min_words) {
    tokens += hypothesis.words[min_words].tokens.size();
  }
  const auto cut = choose_cut(hypothesis, min_words, num_agreed, seconds(length) - kUnsettled_s, min_pause_s(length));
  if (!cut) return false;

  const HypothesisWord& before = hypothesis.words[*cut - 1];
  const HypothesisWord& behind = hypothesis.words[*cut];
  const std::int64_t middle = utterance->begin + samples((before.end_s + behind.start_s) / 2);
  const std::int64_t at = std::clamp(middle / kHop * kHop, utterance->begin + kHop, end);
  const double cut_s = seconds(at - utterance->begin);
  Hypothesis done, rest;
  done.has_times = rest.has_times = true;
  done.words.assign(hypothesis.words.begin(), hypothesis.words.begin() + static_cast<std::ptrdiff_t>(*cut));
  rest.words.assign(hypothesis.words.begin() + static_cast<std::ptrdiff_t>(*cut), hypothesis.words.end());
  for (HypothesisWord& word : rest.words) {
    word.start_s = std::max(0.0, word.start_s - cut_s);
    word.end_s = std::max(0.0, word.end_s - cut_s);
  }

  const UtterancePtr ended = std::exchange(open_, nullptr);
  ended->reason = FinalReason::kLength;
  ended->share_end = at;
  ended->speech_end = std::min(at, ended->begin + samples(before.end_s));
  ledger_.add_silence(free_from_, ended->begin);
  free_from_ = at;
  publish_final(*ended, done, result);
  go_on_from(at);
  if (!rest.words.empty()) open_->heard.push_back({end, std::move(rest)});
  open_->asked_at = ended->asked_at;
  publish_partial(*open_, end);
  return true;
}

void Channel::publish_partial(Utterance& utterance, std::int64_t end) {
  if (!shows_partials()) return;
  const auto& detokenise = host_.model().text.detokenise;
  const Hypothesis& hypothesis = utterance.latest();
  std::size_t first = 0;
  if (is_fixed() && hypothesis.has_times) first = skip_repeated_words(hypothesis, utterance);
  const std::string text = detokenise(hypothesis.tokens(first, hypothesis.words.size()));
  Partial partial;
  partial.text = text::strip(text);
  if (partial.text.empty()) return;
  partial.channel = index_;
  partial.stable = text::strip(detokenise(utterance.stable));
  partial.utterance = utterance.id;
  partial.revision = ++utterance.revision;
  partial.start = seconds(utterance.speech_begin);
  partial.end = seconds(end);
  host_.emit(std::move(partial));
}

bool Channel::publish_closed() {
  bool is_any = false;
  while (!closed_.empty() && closed_.front()->final_request->outcome) {
    const UtterancePtr utterance = closed_.front();
    closed_.pop_front();
    publish(*utterance);
    is_any = true;
  }
  return is_any;
}

void Channel::publish(Utterance& utterance) {
  const Result<engine::WindowResult>& outcome = *utterance.final_request->outcome;
  if (outcome && !outcome->suppressed) {
    publish_final(utterance, make_hypothesis(*outcome, host_.model().text), *outcome);
    return;
  }
  const std::string reason(outcome ? whisper::issue_name(*outcome->suppressed) : error_name(outcome.error().code));
  if (!outcome) host_.emit(Warning{reason, outcome.error().message});
  if (!utterance.stable.empty()) return publish_promised(utterance);
  drop(utterance, reason, outcome ? outcome->suppressed_text : std::string());
}

// What was promised stands, also where there is no more than that.
void Channel::publish_promised(const Utterance& utterance) {
  Hypothesis promised;
  promised.has_times = utterance.latest().has_times;
  for (const HypothesisWord& word : utterance.latest().words) {
    if (promised.tokens().size() >= utterance.stable.size()) break;
    promised.words.push_back(word);
  }
  engine::WindowResult result;
  result.language_token = utterance.language.value_or(-1);
  publish_final(utterance, promised, result);
}

void Channel::drop(const Utterance& utterance, const std::string& reason, const std::string& text) {
  ledger_.add_dropped(utterance.share_begin, utterance.share_end, reason);
  host_.on_suppressed(index_, seconds(utterance.speech_begin), seconds(utterance.speech_end), reason, text);
}

void Channel::publish_final(const Utterance& utterance, const Hypothesis& hypothesis,
                            const engine::WindowResult& result) {
  const SpeechModel& model = host_.model();
  if (hypothesis.words.empty()) return drop(utterance, std::string(issue_name(whisper::QualityIssue::kEmpty)), {});
  ledger_.add_transcribed(utterance.share_begin, utterance.share_end);
  if (utterance.begin >= language_from_) {
    language_.hear(result.language_token, result.language_probability, 0, true);
  }

  std::size_t first = 0, last = hypothesis.words.size();
  if (is_fixed() && hypothesis.has_times) {
    first = skip_repeated_words(hypothesis, utterance);
    // What is said in the later half of the overlap belongs to the next piece.
    const auto middle = [&](const HypothesisWord& word) {
      return utterance.begin + samples((word.start_s + word.end_s) / 2);
    };
    while (last > first && middle(hypothesis.words[last - 1]) >= utterance.share_end) --last;
    published_words_.clear();
    for (std::size_t i = first; i < last; ++i) {
      HypothesisWord word = hypothesis.words[i];
      word.start_s += seconds(utterance.begin);
      word.end_s += seconds(utterance.begin);
      published_words_.push_back(std::move(word));
    }
  }
  const std::string written = model.text.detokenise(hypothesis.tokens(first, last));
  Final message;
  message.text = text::strip(written);
  if (message.text.empty()) return;
  message.channel = index_;
  message.utterance = utterance.id;
  message.start = seconds(utterance.speech_begin);
  message.end = seconds(std::max(utterance.speech_begin, utterance.speech_end));
  message.language = model.language_code(result.language_token);
  message.language_probability = result.language_probability;
  message.avg_logprob = result.avg_logprob;
  message.no_speech_prob = result.no_speech_prob;
  message.reason = utterance.reason;
  if (host_.settings().words && hypothesis.has_times) {
    for (std::size_t i = first; i < last; ++i) {
      const HypothesisWord& word = hypothesis.words[i];
      const double begin_s = seconds(utterance.begin);
      message.words.push_back({word.text, begin_s + word.start_s, begin_s + word.end_s, word.probability});
    }
  }
  remember(utterance, hypothesis.tokens(first, last), result.language_token);
  if (!transcript_.empty() && !text::is_written_without_spaces(message.language)) transcript_ += ' ';
  transcript_ += message.text;
  if (host_.settings().full_transcript) message.full_transcript = transcript_;
  host_.emit(std::move(message));
}

// What was said lately, as far as it may be context: several utterances, where they are short and close together.
void Channel::remember(const Utterance& utterance, std::vector<int> tokens, int language_token) {
  const bool goes_on = context_ && utterance.begin >= context_->end && utterance.begin - context_->end <= kContextGap &&
                       utterance.share_end - context_->begin <= kMaxContext &&
                       context_->tokens.size() + tokens.size() <= kMaxContextTokens;
  drop_trailing_punctuation(tokens);
  if (!goes_on) context_ = Context{utterance.begin, utterance.share_end, {}, std::nullopt};
  context_->end = utterance.share_end;
  context_->tokens.insert(context_->tokens.end(), tokens.begin(), tokens.end());
  if (utterance.begin < language_from_) {
    context_->language = language_.token();
  } else if (language_token >= 0) {
    context_->language = language_token;
  }
}

// How many words at the start of a piece the piece before it has given out already: those that repeat its last ones,
// or, where none are alike, those in the earlier half of the overlap.
std::size_t Channel::skip_repeated_words(const Hypothesis& hypothesis, const Utterance& utterance) const {
  const double begin_s = seconds(utterance.begin);
  const double cut_s = seconds(utterance.share_begin);
  std::size_t most = 0, by_text = 0;
  for (std::size_t first = 0; first < hypothesis.words.size(); ++first) {
    if (begin_s + hypothesis.words[first].start_s > cut_s + host_.settings().overlap_s) break;
    // The last `length` published words, read from `first` on.
    for (std::size_t length = std::min(published_words_.size(), hypothesis.words.size() - first); length > most;
         --length) {
      const auto published = published_words_.end() - static_cast<std::ptrdiff_t>(length);
      if (published->end_s < begin_s) continue;  // said before this piece begins
      const bool alike =
          std::equal(published, published_words_.end(), hypothesis.words.begin() + static_cast<std::ptrdiff_t>(first),
                     [](const auto& a, const auto& b) { return bare_word(a.text) == bare_word(b.text); });
      if (!alike) continue;
      most = length;
      by_text = first + length;
    }
  }
  if (most > 0) return by_text;
  std::size_t by_time = 0;
  while (by_time < hypothesis.words.size() &&
         begin_s + (hypothesis.words[by_time].start_s + hypothesis.words[by_time].end_s) / 2 < cut_s) {
    ++by_time;
  }
  return by_time;
}

}  // namespace stenod::live
