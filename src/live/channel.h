#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audio/log_mel.h"
#include "live/channel_host.h"
#include "live/endpointer.h"
#include "live/language_choice.h"
#include "live/ledger.h"
#include "live/utterance.h"
#include "vad/silero_vad.h"

namespace stenod::live {

/// What is said sooner than this after an utterance goes on with it, as far as the model is concerned.
inline constexpr std::int64_t kContextGap = 12 * audio::kSampleRate / 10;

/// One channel of a live stream, from samples to partials and finals: finds utterances, asks the engine for their text,
/// settles what is stable, publishes in order, and accounts for every sample.
///
/// Owned by a Session and used on its strand. Holds the log-mel frames of the open utterance, at most 26 s, and those
/// that closed utterances wait with; see pending_samples().
class Channel {
 public:
  /// `host` must outlive the channel.
  Channel(ChannelHost& host, int index);
  ~Channel();

  /// The next samples at 16 kHz.
  void push(std::span<const std::int16_t> samples);
  /// Ends the open utterance here, unless it is too short to tell whether it is speech. When somebody is speaking, what
  /// follows goes on in the next one.
  void finalize(FinalReason reason);
  /// No more samples will come. Finals may still be outstanding: see is_idle().
  void finish(FinalReason reason);
  /// Gives up what waits for text: what was promised of it is published, the rest accounted for as dropped. After
  /// finish().
  void abandon(const std::string& reason);
  /// Asks the engine for what could not be asked yet: it was full, or the language is not known.
  void retry();

  /// Nothing waits for text.
  bool is_idle() const { return closed_.empty(); }
  /// Audio of closed utterances that wait for their text.
  std::int64_t pending_samples() const;
  /// Somebody speaks, or has spoken and the utterance is still open.
  bool is_speaking() const { return open_ && open_->is_confirmed; }

  std::int64_t num_samples() const { return num_samples_; }
  const Ledger& ledger() const { return ledger_; }
  const std::string& transcript() const { return transcript_; }
  /// To decode with; none: it is found out.
  std::optional<int> language_token() const { return language_.token(); }
  /// From here on; none: to be found out anew.
  void set_language(std::optional<int> token);

 private:
  using UtterancePtr = std::shared_ptr<Utterance>;

  bool is_fixed() const { return host_.settings().chunking == Chunking::kFixed; }
  bool shows_partials() const { return host_.settings().partial_interval_ms > 0; }

  // Cutting.
  void judge(std::span<const float> samples);
  void on_probability(float probability);
  void follow_speech(float probability);
  void follow_chunk(float probability);
  void open_utterance(std::int64_t begin, std::int64_t speech_begin);
  void close_utterance(FinalReason reason, std::int64_t end);
  void close_chunk(FinalReason reason, std::int64_t end, std::int64_t next_begin);
  bool is_over(const Utterance& utterance) const;
  void drop_short_speech();
  void split_where_quietest();
  void go_on_from(std::int64_t begin);

  // Asking.
  void ask_for_partial();
  void ask_for_final(Utterance& utterance, std::int64_t end);
  std::optional<Context> context_for(const Utterance& utterance, std::int64_t end) const;
  std::optional<int> language_for(const Utterance& utterance) const;
  void submit_final(const UtterancePtr& utterance);
  void submit_waiting();
  void take_back_final(Utterance& utterance);
  engine::Request make_request(const Utterance& utterance, std::int64_t end, const std::optional<Context>& context,
                               const std::vector<int>& known) const;
  std::shared_ptr<const audio::LogMel> features(std::int64_t begin, std::int64_t end) const;

  // Answers.
  void on_partial(const UtterancePtr& utterance, std::int64_t end, Result<engine::WindowResult> outcome);
  void on_final(const UtterancePtr& utterance, const FinalRequest* request, Result<engine::WindowResult> outcome);
  bool wants_another(const FinalRequest& request, const engine::WindowResult& best) const;
  void ask_again(const UtterancePtr& utterance, std::int64_t begin, std::optional<engine::WindowResult> best);
  void take_hypothesis(const UtterancePtr& utterance, std::int64_t end, const engine::WindowResult& result,
                       bool is_pause);
  std::size_t settled_words(const Utterance& utterance, const Hypothesis& hypothesis, std::int64_t heard_by) const;
  void drop_trailing_punctuation(std::vector<int>& tokens) const;
  void promise(Utterance& utterance, const Hypothesis& hypothesis, std::size_t num_words, std::int64_t end,
               int language_token);
  bool commit(const UtterancePtr& utterance, std::size_t num_agreed, std::int64_t end,
              const engine::WindowResult& result);
  void publish_partial(Utterance& utterance, std::int64_t end);
  bool publish_closed();
  void publish(Utterance& utterance);
  void publish_promised(const Utterance& utterance);
  void drop(const Utterance& utterance, const std::string& reason, const std::string& text);
  void publish_final(const Utterance& utterance, const Hypothesis& hypothesis, const engine::WindowResult& result);
  void remember(const Utterance& utterance, std::vector<int> tokens, int language_token);
  std::size_t skip_repeated_words(const Hypothesis& hypothesis, const Utterance& utterance) const;
  void forget();

  ChannelHost& host_;
  const int index_;
  std::function<void(std::function<void()>)> post_;
  /// Gone with the channel, so that late answers find nobody.
  std::shared_ptr<Channel*> alive_;

  audio::LogMelExtractor extractor_;
  audio::LogMel mel_;  ///< frames from first_frame_ on
  std::int64_t first_frame_ = 0;
  std::vector<float> unjudged_;  ///< samples that the detector has not seen
  vad::VadState vad_state_;
  std::vector<float> probabilities_;
  std::deque<float> recent_;  ///< probabilities from chunk first_recent_ on
  std::int64_t first_recent_ = 0;
  std::int64_t num_samples_ = 0;
  bool is_finished_ = false;

  Endpointer endpointer_;
  std::int64_t free_from_ = 0;  ///< what lies before is accounted for, or belongs to an utterance
  std::int64_t cut_at_ = -1;    ///< where an utterance was ended while somebody spoke, on request
  UtterancePtr open_;
  std::deque<UtterancePtr> closed_;  ///< in order, waiting for their text

  std::optional<Context> context_;  ///< the utterance that was published last

  LanguageChoice language_;
  std::int64_t language_from_ = 0;  ///< what was said before tells nothing of the language
  Ledger ledger_;
  std::string transcript_;
  /// Words published last, with their times on the stream's clock: what pieces of fixed length may repeat.
  std::vector<HypothesisWord> published_words_;
};

}  // namespace stenod::live
