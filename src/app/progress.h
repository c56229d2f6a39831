#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/console.h"
#include "transcribe/file_transcriber.h"

namespace stenod::app {

struct TranscribeStatus {
  double fraction = 0;            ///< of all work, 0 to 1
  double audio_s = 0;             ///< transcribed so far, over all files
  std::optional<double> total_s;  ///< where it is known
  double elapsed_s = 0;
  std::size_t num_done = 0, num_files = 1;
};

/// One line of less than `width` columns: percent, position in the audio, speed, time left, files. What does not fit is
/// left out, the least important first.
std::string render_transcribe_status(const TranscribeStatus& status, int width);

struct DownloadStatus {
  std::string name;
  std::uint64_t bytes_done = 0, bytes_total = 0;
  double bytes_per_second = 0;
};

std::string render_download_status(const DownloadStatus& status, int width);

/// "1:02:03", "2:03"
std::string clock_text(double seconds);

/// Adds up the progress of several files and shows it. Files weigh as much as they have bytes, since the lengths of
/// those that were not opened yet are unknown; the fraction never goes back. Any thread may call.
class TranscribeProgress {
 public:
  TranscribeProgress(Console& console, const std::vector<std::string>& files);

  void update(std::size_t file_index, const transcribe::FileProgress& progress);
  /// Transcribed or failed.
  void finish(std::size_t file_index);

  TranscribeStatus status() const;

 private:
  struct File {
    double weight = 1;
    double fraction = 0;
    double done_s = 0;
    std::optional<double> total_s;
    bool is_finished = false;
  };

  Console& console_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::vector<File> files_;
  mutable double highest_fraction_ = 0;
};

}  // namespace stenod::app
