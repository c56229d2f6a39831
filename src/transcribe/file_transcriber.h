#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "text/segment.h"
#include "transcribe/decoding_settings.h"
#include "transcribe/recogniser.h"

namespace stenod::transcribe {

struct FileOptions {
  std::optional<std::string> language = {};  ///< Whisper's code; absent: detected in the first window of speech
  whisper::Task task = whisper::Task::kTranscribe;
  bool vad = true;  ///< false: everything is taken for speech
  /// Where segments come from; kSentences makes the fewest errors.
  whisper::Segmentation segmentation = whisper::Segmentation::kSentences;
  bool word_timestamps = false;
  std::optional<text::Punctuations> punctuations = {};  ///< that are parts of words; absent: the usual ones
  bool split_channels = false;                          ///< each channel its own text
  bool full_window = false;                             ///< encode 30 s for every window
  DecodingSettings decoding = default_file_decoding();
  scheduler::RequestClass request_class = scheduler::RequestClass::kBatch;
  std::string name = {};  ///< what messages call the file; empty: its path. See audio::DecoderOptions.
};

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
  /// those of audio::Decoder (kCancelled only when stopped before the file is open), kInvalidArgument (language), and
  /// what the engine reports for a window where no window gave text.
  Result<FileResult> transcribe(const std::filesystem::path& file, const FileOptions& options,
                                const std::function<void(const FileProgress&)>& on_progress = {},
                                std::stop_token stop = {},
                                const std::function<void(const text::Segment&)>& on_segment = {});

 private:
  Recogniser& recogniser_;
};

}  // namespace stenod::transcribe
