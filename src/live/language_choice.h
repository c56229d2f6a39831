#pragma once

#include <optional>

namespace stenod::live {

/// The language of a channel: given, or found out and then kept, so that it does not flip in mid-session.
class LanguageChoice {
 public:
  explicit LanguageChoice(std::optional<int> given) : token_(given) {}

  /// To decode with; none: to be detected.
  std::optional<int> token() const { return token_; }

  /// What a detection said. Certain after `speech_s` of speech, or settled with the first final.
  void hear(int token, float probability, double speech_s, bool is_final) {
    if (token_ || token < 0) return;
    if (is_final || (probability >= kCertain && speech_s >= kEnoughSpeech_s)) token_ = token;
  }

  /// The client has said it; none: to be found out anew.
  void set(std::optional<int> token) { token_ = token; }

 private:
  static constexpr float kCertain = 0.8f;
  static constexpr double kEnoughSpeech_s = 3;

  std::optional<int> token_;
};

}  // namespace stenod::live
