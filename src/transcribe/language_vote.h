#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "transcribe/file_transcriber.h"

namespace stenod::transcribe {

struct DetectedLanguage {
  int token = -1;
  float probability = 0;
};

/// Which language several windows have: that of the first one that is certain, else the one that most have, with the
/// highest of its probabilities. As detect_language() of faster-whisper.
class LanguageVote {
 public:
  /// Certain: more probable than `threshold`.
  explicit LanguageVote(double threshold) : threshold_(threshold) {}

  /// The language of the next window. Returns whether it settles the vote.
  bool add(const DetectedLanguage& detected);
  /// Nothing without any window.
  std::optional<DetectedLanguage> winner() const;

 private:
  struct Votes {
    DetectedLanguage language;
    int count;
  };

  double threshold_;
  std::optional<DetectedLanguage> certain_;
  std::vector<Votes> votes_;  ///< in the order of their first
};

/// The language that a vote of the first windows of speech gives, as many as the options say. Reads the recording for
/// itself, as far as it has to. Nothing where there is no speech; what can't be read is left to the transcription.
/// Errors: those of audio::Decoder::open(), kCancelled, and what the engine reports.
Result<std::optional<DetectedLanguage>> vote_on_language(Recogniser& recogniser, const std::filesystem::path& file,
                                                         const FileOptions& options, std::stop_token stop);

}  // namespace stenod::transcribe
