#include "app/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <system_error>

namespace stenod::app {
namespace {

constexpr std::size_t kMinBar = 10, kMaxBar = 30;

/// `parts` in the order to show them; a higher rank is left out first.
struct Part {
  std::string text;
  int rank;
};

std::string compose(double fraction, std::vector<Part> parts, int width) {
  const auto length = [&] {
    return std::accumulate(parts.begin(), parts.end(), std::size_t{0},
                           [](std::size_t sum, const Part& part) { return sum + part.text.size() + 2; });
  };
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  // The last column stays free: some terminals wrap when it is written.
  const auto room = static_cast<std::size_t>(std::max(width - 1, 0)) + 2;
  while (!parts.empty() && length() > room) {
    parts.erase(
        std::max_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.rank < b.rank; }));
  }
  std::string line;
  if (const std::size_t used = length(); used + kMinBar + 4 <= room) {
    const std::size_t bar = std::min(kMaxBar, room - used - 4);
    const auto full = static_cast<std::size_t>(fraction * static_cast<double>(bar));
    line = fmt::format("[{:#<{}}{:-<{}}]", "", full, "", bar - full);
  }
  for (const Part& part : parts) {
    if (!line.empty()) line += "  ";
    line += part.text;
  }
  return line;
}

std::string percent(double fraction) { return fmt::format("{:3} %", static_cast<int>(fraction * 100)); }

std::string time_left(double fraction, double elapsed_s) {
  // The first moments say nothing about the rest.
  if (fraction < 0.01 || elapsed_s < 1) return {};
  return clock_text(elapsed_s * (1 - fraction) / fraction) + " left";
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = std::isfinite(seconds) ? std::llround(std::clamp(seconds, 0.0, 1e9)) : 0;
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string render_transcribe_status(const TranscribeStatus& status, int width) {
  const double fraction = std::clamp(status.fraction, 0.0, 1.0);
  std::string position = clock_text(status.audio_s);
  if (status.total_s) position += " / " + clock_text(*status.total_s);
  std::string speed;
  if (status.audio_s > 0 && status.elapsed_s > 0) speed = fmt::format("{:.1f}x", status.audio_s / status.elapsed_s);
  std::string files;
  if (status.num_files > 1) files = fmt::format("{} of {} files", status.num_done, status.num_files);
  return compose(
      fraction,
      {{percent(fraction), 0}, {position, 3}, {speed, 1}, {time_left(fraction, status.elapsed_s), 2}, {files, 4}},
      width);
}

std::string render_download_status(const DownloadStatus& status, int width) {
  const double total = std::max(1.0, static_cast<double>(status.bytes_total));
  const double fraction = std::clamp(static_cast<double>(status.bytes_done) / total, 0.0, 1.0);
  std::string speed, left;
  if (status.bytes_per_second > 0) {
    speed = fmt::format("{:.1f} MB/s", status.bytes_per_second / 1e6);
    left = clock_text((1 - fraction) * total / status.bytes_per_second) + " left";
  }
  const std::string amount = fmt::format("{:.1f} of {:.1f} MB", static_cast<double>(status.bytes_done) / 1e6,
                                         static_cast<double>(status.bytes_total) / 1e6);
  return compose(fraction, {{status.name, 1}, {percent(fraction), 0}, {amount, 4}, {speed, 3}, {left, 2}}, width);
}

TranscribeProgress::TranscribeProgress(Console& console, const std::vector<std::string>& files) : console_(console) {
  for (const std::string& file : files) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    files_.emplace_back().weight = error ? 1 : static_cast<double>(size) + 1;
  }
}

void TranscribeProgress::update(std::size_t file_index, const transcribe::FileProgress& progress) {
  {
    const std::lock_guard lock(mutex_);
    File& file = files_[file_index];
    file.done_s = progress.work_done_s;
    file.total_s = progress.total_s;
    if (progress.total_s && *progress.total_s > 0) {
      file.fraction = std::clamp(progress.work_done_s / *progress.total_s, file.fraction, 1.0);
    }
  }
  console_.show_progress([this](int width) { return render_transcribe_status(status(), width); });
}

void TranscribeProgress::finish(std::size_t file_index) {
  const std::lock_guard lock(mutex_);
  files_[file_index].fraction = 1;
  files_[file_index].is_finished = true;
}

TranscribeStatus TranscribeProgress::status() const {
  const std::lock_guard lock(mutex_);
  TranscribeStatus status;
  status.num_files = files_.size();
  double weight = 0, done = 0, total_s = 0;
  bool total_known = true;
  for (const File& file : files_) {
    weight += file.weight;
    done += file.weight * file.fraction;
    status.audio_s += file.done_s;
    status.num_done += file.is_finished ? 1 : 0;
    total_known = total_known && file.total_s;
    total_s += file.total_s.value_or(0);
  }
  if (total_known) status.total_s = total_s;
  if (weight > 0) highest_fraction_ = std::max(highest_fraction_, done / weight);
  status.fraction = highest_fraction_;
  status.elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return status;
}

}  // namespace stenod::app
