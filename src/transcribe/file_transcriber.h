#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/segment.h"
#include "text/words.h"
#include "transcribe/decoding_settings.h"
#include "transcribe/recogniser.h"

namespace stenod::transcribe {

struct FileOptions {
  std::optional<std::string> language = {};  ///< Whisper's code; absent: detected in the first windows of speech
  whisper::Task task = whisper::Task::kTranscribe;
  /// Detected by a vote of so many windows of speech, unless one is detected with more than that probability before.
  int language_detection_segments = 1;
  double language_detection_threshold = 0.5;
  /// The language is detected anew in every window; not with `language`.
  bool multilingual = false;
  bool vad = true;  ///< false: everything is taken for speech
  /// START, END, START, END, … in seconds: the parts to transcribe; the last END may be missing. Empty: everything.
  std::vector<double> clip_timestamps = {};
  /// Where segments come from; kSentences makes the fewest errors. Windows of less than 5 s then have timestamps.
  whisper::Segmentation segmentation = whisper::Segmentation::kSentences;
  bool word_timestamps = false;
  std::optional<text::Punctuations> punctuations = {};  ///< that are parts of words; absent: the usual ones
  bool split_channels = false;                          ///< each channel its own text
  bool full_window = false;                             ///< encode 30 s for every window
  /// One window after the other, with timestamps, each conditioned on the text before it; see SequentialJob. What
  /// stands above about segmentation and windows does not count then.
  bool sequential = false;
  std::optional<bool> condition_on_previous_text = {};  ///< absent: true where it is possible, which is sequentially
  /// Sequentially: the text before is forgotten behind a window that needed a higher temperature. Absent: 0.5.
  std::optional<double> prompt_reset_on_temperature = {};
  /// Sequentially and with word times: silence longer than that is skipped where text seems to be made up about it.
  std::optional<double> hallucination_silence_threshold_s = {};
  DecodingSettings decoding = default_file_decoding();
  scheduler::RequestClass request_class = scheduler::RequestClass::kBatch;
  std::string name = {};  ///< what messages call the file; empty: its path. See audio::DecoderOptions.
};

inline constexpr int kMaxDetectionSegments = 1000;
inline constexpr double kDefaultPromptResetTemperature = 0.5;

/// Whether the options go together: one that would have no effect is an error, so that nobody waits for it in vain.
/// Error: kInvalidArgument with the option's name.
Status check_options(const FileOptions& options);

struct FileProgress {
  double done_s = 0;              ///< seconds of audio whose text is final
  double work_done_s = 0;         ///< the same, and a part of those that are being worked on: what a bar shows
  double decoded_s = 0;           ///< seconds of audio read
  std::optional<double> total_s;  ///< what the file claims
};

struct FileResult {
  text::Transcript transcript;
  /// The first thing that went wrong, where there is text all the same: the file could not be read to its end (the
  /// transcript is then marked as interrupted), or a window failed in the engine (its time is among the dropped ones).
  std::optional<Error> failure;
  /// Parts of the file that could not be decoded and were left out.
  std::int64_t num_skipped_packets = 0;
  /// Audio that the file's header announces and its data do not hold; see audio::Decoder::missing_s().
  double missing_s = 0;
  /// The file's audio tracks, and the number of the one whose text this is, counted from 1.
  int num_audio_tracks = 1;
  int audio_track = 1;
};

/// Transcribes whole recordings with a recogniser that others may use at the same time.
///
/// A recording streams through: decoded block by block, judged by the voice activity detector, packed into windows of
/// speech, of which a bounded number waits in the engine. Memory does not depend on its length, but for its text.
class FileTranscriber {
 public:
  explicit FileTranscriber(Recogniser& recogniser) : recogniser_(recogniser) {}

  /// Blocks until the file is done. Any number of threads may transcribe at once. `on_progress` and `on_segment` are
  /// called by this thread, the latter with each segment of the result, in its order, as soon as it is final. Errors:
  /// those of audio::Decoder (kCancelled only when stopped before the file is open), kInvalidArgument (options), and
  /// what the engine reports for a window where no window gave text.
  Result<FileResult> transcribe(const std::filesystem::path& file, const FileOptions& options,
                                const std::function<void(const FileProgress&)>& on_progress = {},
                                std::stop_token stop = {},
                                const std::function<void(const text::Segment&)>& on_segment = {});

 private:
  Recogniser& recogniser_;
};

}  // namespace stenod::transcribe
