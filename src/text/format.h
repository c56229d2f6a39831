#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/segment.h"
#include "text/subtitles.h"

namespace stenod::text {

/// Output formats; docs/formats.md describes them.
enum class Format { kText, kJson, kJsonl, kSrt, kVtt, kTsv };

/// All of them, in the order of the documentation.
std::span<const Format> all_formats();
/// "text", "json", "jsonl", "srt", "vtt", "tsv".
std::optional<Format> parse_format(std::string_view name);
/// Of output files, without dot: the format's name, "txt" for text.
std::string_view file_extension(Format format);
/// Whether it is made of cues, which SubtitleOptions lay out.
inline bool is_subtitles(Format format) { return format == Format::kSrt || format == Format::kVtt; }

struct FormatOptions {
  SubtitleOptions subtitles = {};
  bool words = true;  ///< the JSON formats hold a segment's words, where it has any
};

/// What is written about one input file.
struct FileTranscript {
  std::string file;  ///< as the user named it
  Transcript transcript;
  double wall_s = 0;                ///< how long it took
  std::optional<Error> error = {};  ///< what went wrong, where there is a transcript all the same
};

/// One whole output, ending in a newline (empty for a text without segments). Always valid UTF-8, whatever the texts
/// hold; times that are negative or no numbers become 0, an end before its start becomes the start.
std::string format_transcript(Format format, const FileTranscript& result, const FormatOptions& options = {});

/// What kJson holds, on one line that ends in a newline.
std::string format_json_on_one_line(const FileTranscript& result, const FormatOptions& options = {});

/// One segment as the JSON formats have it, on one line that ends in a newline.
std::string format_segment(const Segment& segment, const FormatOptions& options = {});

/// A file without transcript: the object {"file", "error"} in JSON formats, nothing in others, which have no place for
/// it.
std::string format_error(Format format, std::string_view file, const Error& error);

/// The same as format_transcript() piece by piece, as segments get ready: begin(), then segment() in order, then
/// finish(). All pieces of a JSON format come from finish(), and the last cues of subtitles that are filled across
/// segments. Owned by one thread.
class TranscriptWriter {
 public:
  explicit TranscriptWriter(Format format, const FormatOptions& options = {});

  std::string begin() const;
  std::string segment(const Segment& segment);
  /// `result.transcript.segments` holds all segments, those that were written too.
  std::string finish(const FileTranscript& result);

 private:
  std::string write(const std::vector<Cue>& cues);

  Format format_;
  FormatOptions options_;
  CueBuilder cues_;
  int num_cues_ = 0;
};

}  // namespace stenod::text
