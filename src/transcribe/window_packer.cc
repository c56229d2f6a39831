#include "transcribe/window_packer.h"

#include <algorithm>
#include <utility>

namespace stenod::transcribe {
namespace {

constexpr double kSampleRate = 16000;

}  // namespace

std::int64_t Window::num_samples() const {
  std::int64_t total = 0;
  for (const Piece& piece : pieces) total += piece.size();
  return total;
}

double Window::start_time(double window_s) const {
  double offset = std::max(0.0, window_s) * kSampleRate;
  for (const Piece& piece : pieces) {
    if (offset < static_cast<double>(piece.size())) return (static_cast<double>(piece.start) + offset) / kSampleRate;
    offset -= static_cast<double>(piece.size());
  }
  return static_cast<double>(end()) / kSampleRate;
}

double Window::end_time(double window_s) const {
  double offset = window_s * kSampleRate;
  if (offset <= 0) return static_cast<double>(start()) / kSampleRate;
  for (const Piece& piece : pieces) {
    if (offset <= static_cast<double>(piece.size())) return (static_cast<double>(piece.start) + offset) / kSampleRate;
    offset -= static_cast<double>(piece.size());
  }
  return static_cast<double>(end()) / kSampleRate;
}

std::optional<Window> WindowPacker::push(const Piece& speech) {
  std::optional<Window> complete;
  const bool fits = open_.pieces.empty() || (open_.num_samples() + speech.size() <= kMaxWindowSamples &&
                                             speech.start - open_.end() <= max_pause_samples_);
  if (!fits) complete = std::exchange(open_, {});
  open_.pieces.push_back(speech);
  return complete;
}

std::optional<std::int64_t> WindowPacker::open_start() const {
  if (open_.pieces.empty()) return std::nullopt;
  return open_.start();
}

std::optional<Window> WindowPacker::finish() {
  if (open_.pieces.empty()) return std::nullopt;
  return std::exchange(open_, {});
}

}  // namespace stenod::transcribe
