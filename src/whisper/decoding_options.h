#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "text/words.h"

namespace stenod::whisper {

inline constexpr int kMaxEncoderFrames = 1500;           ///< Whisper's window of 30 s
inline constexpr double kSecondsPerEncoderFrame = 0.02;  ///< and per step of the timestamp tokens

enum class Task { kTranscribe, kTranslate };

/// How much of Whisper's 30 s window is encoded for shorter audio.
enum class WindowPolicy {
  kProportional,  ///< the audio and a margin of silence; what fails the quality rules is repeated in longer windows
  kTenSeconds,    ///< the same, but never less than 10 s: for short audio, whose words need more room than its length
  kFull,          ///< always 30 s
};

/// Where a window's text is cut into segments, and where their times come from.
enum class Segmentation {
  /// The model writes timestamps between stretches of text.
  kTimestamps,
  /// The model writes text alone; it is cut at the ends of sentences and at pauses, timed by the alignment heads. Makes
  /// fewer errors than timestamps in windows of more than a few seconds, and never stops before the audio does.
  kSentences,
  /// The model writes text alone, given as one segment.
  kWhole,
};

/// What makes a result doubtful; see quality.h.
struct QualityThresholds {
  float no_speech_prob = 0.6f;        ///< above it, and with a low log-probability, there is no speech
  float avg_logprob = -1.0f;          ///< below it a result is repeated
  float compression_ratio = 2.4f;     ///< above it a result is repeated
  float language_probability = 0.6f;  ///< a language detected with less is repeated
  float token_share = 0.67f;          ///< more than this share of the most that anyone says is repeated
};

/// Tokens that a model must not write. Belongs to the model, so requests share one.
struct SuppressedTokens {
  std::vector<int> always;
  std::vector<int> at_begin;  ///< not as the first token: blank and end of text
};

/// Hypotheses of one window that are followed at once, at most.
inline constexpr int kMaxBranches = 8;
/// What makes sense to ask for: above 2 samples are noise.
inline constexpr double kMaxTemperature = 2;
inline constexpr std::size_t kMaxTemperatures = 20;
inline constexpr int kMaxNgramSize = 100;

/// How the text of a window is searched for.
struct SearchOptions {
  int beam_size = 1;         ///< at temperature 0: 1 is greedy, more a beam search; at most kMaxBranches
  int best_of = 5;           ///< at higher temperatures: independent samples, of which the best counts; as many at most
  float patience = 1;        ///< a beam search is over after beam_size * patience ended hypotheses
  float length_penalty = 1;  ///< hypotheses are compared by log-probability / length ^ this
  /// Logits of tokens that a hypothesis holds are divided by this where they are positive, else multiplied (CTRL,
  /// arXiv 1909.05858). 1: none.
  float repetition_penalty = 1;
  int no_repeat_ngram_size = 0;  ///< no hypothesis holds so many tokens in a row twice; 0: it may
  std::uint64_t seed = 0;        ///< of the samples: the same seed gives the same text
  /// The first one is tried in every window; a doubtful result of the longest one is decoded again at the next. Not
  /// empty, none negative.
  std::vector<float> temperatures = {0};

  int width_at(float temperature) const { return temperature > 0 ? best_of : beam_size; }
};

/// How one window is to be decoded.
struct DecodingOptions {
  std::optional<int> language_token;  ///< none: detected; must be none for English-only models
  Task task = Task::kTranscribe;
  Segmentation segmentation = Segmentation::kTimestamps;
  bool word_times = false;
  std::optional<text::Punctuations> punctuations = {};  ///< that are parts of words; absent: the usual ones
  int max_tokens = 448;  ///< of one window, timestamps counted; the model's positions are the other limit
  double max_initial_timestamp_s = 1.0;
  std::shared_ptr<const SuppressedTokens> suppressed;  ///< may be null
  WindowPolicy window = WindowPolicy::kProportional;
  bool may_repeat = true;  ///< false: the first result counts (live partials)
  /// Tokens, of text and timestamps, that the model takes for what was said before: context, spelling of names, style.
  /// At most half of the model's text positions but one.
  std::vector<int> prompt = {};
  /// Text tokens that the window's text begins with, whatever the model would choose. At most half of the model's text
  /// positions.
  std::vector<int> prefix = {};
  bool prefix_is_promised = false;  ///< a reader has seen it: the window is never suppressed
  /// Text tokens that may follow the prefix, such as those of an earlier attempt at the beginning of the same audio.
  /// They are checked in one step and kept as far as the model chooses them too, so the tokens are the same as without,
  /// in fewer steps (speculative decoding for greedy search: Leviathan et al., arXiv 2211.17192). At most as many; not
  /// used by a search with several hypotheses.
  std::vector<int> draft = {};
  SearchOptions search;
  QualityThresholds thresholds;
};

}  // namespace stenod::whisper
