#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "whisper/decoding_options.h"
#include "whisper/hypothesis.h"

namespace stenod::whisper {

/// Silence encoded behind the audio, in encoder frames: without it Whisper loops.
inline constexpr int kMarginFrames = 128;
/// Windows have a length that is a multiple of this, so that kernels meet few shapes and like lengths meet in groups.
inline constexpr int kFrameBucket = 16;

/// The least of WindowPolicy::kTenSeconds.
inline constexpr int kTenSecondsFrames = 512;

/// Encoder frames of a window for `real_frames` of audio (1 to 1500), at attempt 0, 1 or 2: audio and margin, twice
/// that, all 1500. kTenSeconds: at least that. kFull: always 1500. A window of 1500 frames is the last attempt.
int window_frames(int real_frames, int attempt, WindowPolicy policy);

/// What is wrong with a result.
enum class QualityIssue {
  kNoSpeech,          ///< the model itself says that nobody speaks
  kRepetition,        ///< a loop was caught, or the text is_repeated()
  kCompressionRatio,  ///< the text repeats itself
  kLowLogprob,        ///< the model was guessing
  kTokenRate,         ///< more text than anyone can say in that time
  kLanguage,          ///< the detected language is doubtful
  kEmpty,             ///< no text, although there seems to be speech
};

/// A stable name, for instance "no_speech": the reason that users see for audio without text.
std::string_view issue_name(QualityIssue issue);

/// Whether something stands five times in a row, ten items (tokens or words) in all.
bool has_suspicious_copies(std::span<const int> items);

/// Whether text is the same four or more tokens twice, or two or more tokens three times and oftener, and nothing else;
/// or has_suspicious_copies(). Too short for a loop to be noticed, but what models write about short windows and noise
/// more often than people say it.
/// The first `num_given` tokens were given to the model: they may be the beginning of what it then repeats, or all that
/// it writes once more.
bool is_repeated(std::span<const int> text_tokens, std::size_t num_given = 0);

struct QualityFigures {
  float avg_logprob = 0;
  float no_speech_prob = 0;
  float compression_ratio = 0;     ///< of the text as UTF-8
  float language_probability = 1;  ///< 1 when the language was given
  int num_text_tokens = 0;
  int max_text_tokens = 0;   ///< more than anyone says in that time, in that language
  bool is_repeated = false;  ///< is_repeated(), or its words has_suspicious_copies()
  FinishReason finish = FinishReason::kEndOfText;
};

enum class Verdict {
  kAccept,
  kLongerWindow,  ///< decode again in a longer window
  kWarmer,        ///< decode the same window again at the next temperature
  kSuppress,      ///< give no text, for the reason in `issue`
};

struct Assessment {
  Verdict verdict;
  std::optional<QualityIssue> issue;
};

/// What may still be tried.
struct AttemptsLeft {
  bool longer_window = false;
  bool warmer = false;
};

/// The rule. Where the model says that there is no speech, and writes nothing, there is none. Anything else doubtful is
/// decoded again in longer windows as long as there are any, then text that repeats itself, has no end or is improbable
/// at higher temperatures. After that, text is suppressed where the model is not sure of it and says that there is no
/// speech, or where it still repeats itself; text that is merely improbable is given, with the doubt recorded.
Assessment assess(const QualityFigures& figures, const QualityThresholds& thresholds, AttemptsLeft left);

}  // namespace stenod::whisper
