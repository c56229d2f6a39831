#pragma once

#include <vector>

#include "transcribe/file_job.h"
#include "transcribe/speech_tape.h"

namespace stenod::transcribe {

/// Transcribes a file by Whisper's original algorithm: windows of 30 s one after the other, with timestamps. A window
/// begins where the last complete segment of the one before it ended, and is conditioned on the text before it. As
/// transcribe() of openai-whisper and of faster-whisper, whose options have the same meaning.
class SequentialJob : public FileJob {
 public:
  using FileJob::FileJob;

 private:
  struct Channel {
    SpeechTape tape;
    std::int64_t seek = 0;           ///< where the next window begins on the tape
    double last_speech_s = 0;        ///< end of the last word, on the tape
    std::vector<int> previous = {};  ///< what was said before, as far as the model may know it
    bool has_begun = false;
  };

  Status begin_clip(std::int64_t start, std::size_t num_channels) override;
  Status push(const audio::ChannelSamples& samples) override;
  Status end_clip() override;
  Status finish() override { return {}; }
  std::int64_t settled_samples() const override;

  Status transcribe_windows(std::size_t index, bool at_end);
  Status transcribe_window(std::size_t index, bool at_end);
  Result<engine::WindowResult> decode(const Channel& channel, std::int64_t num_samples);
  std::int64_t go_on_behind_words(const Channel& channel, engine::WindowResult& result, std::int64_t num_samples,
                                  bool at_end) const;
  void remember(Channel& channel, const engine::WindowResult& result) const;
  bool conditions() const { return options().condition_on_previous_text.value_or(true); }

  std::vector<Channel> channels_;
};

}  // namespace stenod::transcribe
