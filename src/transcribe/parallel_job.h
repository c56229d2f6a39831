#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "transcribe/file_job.h"
#include "transcribe/speech_stream.h"

namespace stenod::transcribe {

/// Transcribes a file in windows of packed speech, of which a bounded number is in the engine at once.
class ParallelJob : public FileJob {
 public:
  using FileJob::FileJob;

 private:
  struct Pending {
    int channel;
    Window window;
    std::shared_ptr<EngineCall> call;
  };

  Status begin_clip(std::int64_t start, std::size_t num_channels) override;
  Status push(const audio::ChannelSamples& samples) override;
  Status end_clip() override;
  Status finish() override;
  std::int64_t settled_samples() const override;
  double encoded_s() const override;

  Status start(int channel, SpeechWindow window);
  Status collect_oldest();
  Status collect_finished();

  std::int64_t clip_start_ = 0;
  std::vector<SpeechStream> streams_;  ///< one a channel; they count from clip_start_
  std::deque<Pending> pending_;
  std::vector<SpeechWindow> windows_;
};

}  // namespace stenod::transcribe
