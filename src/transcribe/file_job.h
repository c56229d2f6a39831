#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "transcribe/clips.h"
#include "transcribe/decoding_settings.h"
#include "transcribe/engine_call.h"
#include "transcribe/file_transcriber.h"
#include "transcribe/window_packer.h"

namespace stenod::transcribe {

inline double seconds(std::int64_t samples) { return static_cast<double>(samples) / audio::kSampleRate; }

/// One file's transcription: reads the clips, and puts the text of windows together. Which windows there are, and when
/// they are decoded, is what derived classes say. Used once, by one thread.
class FileJob {
 public:
  using OnProgress = std::function<void(const FileProgress&)>;
  using OnSegment = std::function<void(const text::Segment&)>;

  /// All references must outlive the job.
  FileJob(Recogniser& recogniser, const FileOptions& options, const OnProgress& on_progress, std::stop_token stop,
          const OnSegment& on_segment);
  /// What is still in the engine is of no use any more.
  virtual ~FileJob() { abandoned_.request_stop(); }

  Result<FileResult> run(const std::filesystem::path& file);

 protected:
  /// A clip begins at that sample of the recording.
  virtual Status begin_clip(std::int64_t start, std::size_t num_channels) = 0;
  virtual Status push(const audio::ChannelSamples& samples) = 0;
  virtual Status end_clip() = 0;
  /// There are no more clips.
  virtual Status finish() = 0;
  /// No later text starts before this sample of the recording.
  virtual std::int64_t settled_samples() const = 0;
  /// Seconds of audio that the engine has encoded, and whose text is not there yet.
  virtual double encoded_s() const { return 0; }

  /// Whether a window without a language is to decide it for the others.
  bool first_window_decides() const;
  /// How a window is to be decoded, as far as that is the same for all.
  whisper::DecodingOptions window_options() const;
  engine::Request request_for(std::shared_ptr<const audio::LogMel> features, whisper::DecodingOptions decoding) const;
  /// Reports progress meanwhile.
  Result<engine::WindowResult> wait(EngineCall& call);
  /// Writes down what a window gave, or why it gave nothing. Error: the engine ends the whole file.
  Status settle(const Window& window, int channel, Result<engine::WindowResult> outcome);
  void set_done(std::int64_t samples);
  void publish_settled();
  void report() const;
  const std::stop_token& stop() const { return stop_; }

  Recogniser& recogniser() const { return recogniser_; }
  const FileOptions& options() const { return options_; }
  const DecodingPlan& plan() const { return plan_; }

 private:
  /// What was said in one language, where each window has its own.
  struct Spoken {
    double seconds = 0;
    double weighted_probability = 0;
  };

  Status choose_language();
  Status vote(const std::filesystem::path& file);
  Status read_all(ClipReader& reader, const audio::Decoder& decoder);
  void write(const Window& window, int channel, engine::WindowResult result);
  text::Segment make_segment(const Window& window, int channel, const engine::WindowResult& result,
                             const engine::Segment& segment) const;
  void drop(const Window& window, int channel, std::string reason, std::string text);
  void set_language(int token, float probability);
  void name_most_spoken_language();
  void publish(double settled_s);
  void fail(const Error& error);

  Recogniser& recogniser_;
  const FileOptions& options_;
  const OnProgress& on_progress_;
  std::stop_token stop_;
  const OnSegment& on_segment_;
  std::stop_source abandoned_;
  std::stop_callback<std::function<void()>> on_stop_{stop_, [this] { abandoned_.request_stop(); }};

  DecodingPlan plan_;
  std::optional<int> language_token_;
  std::map<int, Spoken> spoken_;         ///< by language token
  std::vector<text::Segment> finished_;  ///< in the order of the windows, not published yet
  FileResult result_;
  double done_s_ = 0;
  std::optional<double> total_s_;
};

}  // namespace stenod::transcribe
