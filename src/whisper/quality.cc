#include "whisper/quality.h"

#include <algorithm>

namespace stenod::whisper {
namespace {

// Between this and what text::RepetitionDetector calls a loop there is what people say, and what models say more often.
constexpr std::size_t kSuspiciousCopies = 5;
constexpr std::size_t kSuspiciousItems = 10;

std::optional<QualityIssue> find_issue(const QualityFigures& figures, const QualityThresholds& thresholds) {
  const bool guessing = figures.avg_logprob < thresholds.avg_logprob;
  if (figures.num_text_tokens == 0) {
    return figures.no_speech_prob > thresholds.no_speech_prob ? QualityIssue::kNoSpeech : QualityIssue::kEmpty;
  }
  if (figures.no_speech_prob > thresholds.no_speech_prob && figures.avg_logprob <= thresholds.avg_logprob) {
    return QualityIssue::kNoSpeech;
  }
  if (figures.finish == FinishReason::kRepetition || figures.is_repeated) return QualityIssue::kRepetition;
  if (figures.compression_ratio > thresholds.compression_ratio) return QualityIssue::kCompressionRatio;
  if (guessing) return QualityIssue::kLowLogprob;
  const float most = thresholds.token_share * static_cast<float>(figures.max_text_tokens);
  if (figures.finish == FinishReason::kTokenLimit || static_cast<float>(figures.num_text_tokens) > most) {
    return QualityIssue::kTokenRate;
  }
  if (figures.language_probability < thresholds.language_probability) return QualityIssue::kLanguage;
  return std::nullopt;
}

/// Whether another choice of tokens may help, as openai-whisper's rules for a fallback have it.
bool is_matter_of_choice(QualityIssue issue, const QualityFigures& figures) {
  return issue == QualityIssue::kRepetition || issue == QualityIssue::kCompressionRatio ||
         issue == QualityIssue::kLowLogprob || figures.finish == FinishReason::kTokenLimit;
}

}  // namespace

int window_frames(int real_frames, int attempt, WindowPolicy policy) {
  if (policy == WindowPolicy::kFull || attempt >= 2) return kMaxEncoderFrames;
  const int with_margin = real_frames + kMarginFrames;
  int rounded = (with_margin + kFrameBucket - 1) / kFrameBucket * kFrameBucket;
  if (policy == WindowPolicy::kTenSeconds) rounded = std::max(rounded, kTenSecondsFrames);
  return std::min(kMaxEncoderFrames, attempt == 0 ? rounded : 2 * rounded);
}

bool has_suspicious_copies(std::span<const int> items) {
  for (std::size_t period = 1; kSuspiciousCopies * period <= items.size(); ++period) {
    std::size_t matches = 0;  // of the last items with those one period before
    for (std::size_t i = period; i < items.size(); ++i) {
      matches = items[i] == items[i - period] ? matches + 1 : 0;
      if (matches + period >= std::max(kSuspiciousCopies * period, kSuspiciousItems)) return true;
    }
  }
  return false;
}

bool is_repeated(std::span<const int> text_tokens, std::size_t num_given) {
  const std::size_t num_own = text_tokens.size() - std::min(num_given, text_tokens.size());
  const std::size_t longest = std::min(num_own, text_tokens.size() / 2);
  for (std::size_t length = std::max<std::size_t>(4, (num_own + 1) / 2); length <= longest; ++length) {
    const auto second = text_tokens.last(length);
    if (std::equal(second.begin(), second.end(), text_tokens.last(2 * length).begin())) return true;
  }
  const auto own = text_tokens.last(num_own);
  for (std::size_t period = 2; 3 * period <= num_own; ++period) {
    if (std::equal(own.begin() + static_cast<std::ptrdiff_t>(period), own.end(), own.begin())) return true;
  }
  return has_suspicious_copies(own);
}

std::string_view issue_name(QualityIssue issue) {
  switch (issue) {
    case QualityIssue::kNoSpeech:
      return "no_speech";
    case QualityIssue::kRepetition:
      return "repetition";
    case QualityIssue::kCompressionRatio:
      return "compression_ratio";
    case QualityIssue::kLowLogprob:
      return "low_logprob";
    case QualityIssue::kTokenRate:
      return "token_rate";
    case QualityIssue::kLanguage:
      return "language";
    case QualityIssue::kEmpty:
      return "empty";
  }
  return "";
}

Assessment assess(const QualityFigures& figures, const QualityThresholds& thresholds, AttemptsLeft left) {
  const auto issue = find_issue(figures, thresholds);
  if (!issue) return {Verdict::kAccept, std::nullopt};
  // Short windows make models doubt real speech, so text is given a second look; no text needs none.
  const bool silence = *issue == QualityIssue::kNoSpeech && figures.num_text_tokens == 0;
  if (left.longer_window && !silence) return {Verdict::kLongerWindow, issue};
  if (left.warmer && is_matter_of_choice(*issue, figures)) return {Verdict::kWarmer, issue};

  // A caught loop has lost its repeats, so what is left is judged by the same figures as any other text.
  const bool repeats_itself = figures.compression_ratio > thresholds.compression_ratio;
  const bool loop_of_guesses = *issue == QualityIssue::kRepetition && figures.avg_logprob < thresholds.avg_logprob;
  const bool silent_or_empty = *issue == QualityIssue::kNoSpeech || *issue == QualityIssue::kEmpty;
  const bool suppress = silent_or_empty || repeats_itself || loop_of_guesses;
  return {suppress ? Verdict::kSuppress : Verdict::kAccept, issue};
}

}  // namespace stenod::whisper
