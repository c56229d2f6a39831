#include "transcribe/clips.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "audio/features.h"

namespace stenod::transcribe {
namespace {

// Longer than any recording, and far from what overflows.
constexpr double kLatest_s = 1e9;

Error invalid(const std::string& what) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("clip_timestamps: {}; expected START,END,START,END,... in seconds, in order", what),
          "clip_timestamps"};
}

}  // namespace

Result<std::vector<Clip>> make_clips(std::span<const double> timestamps) {
  if (timestamps.empty()) return std::vector<Clip>{Clip{}};
  if (timestamps.size() > 2 * kMaxClips) return invalid(fmt::format("more than {} clips", kMaxClips));
  std::vector<Clip> clips;
  double previous = 0;
  for (std::size_t i = 0; i < timestamps.size(); ++i) {
    const double time = timestamps[i];
    if (!(time >= 0 && time <= kLatest_s)) return invalid(fmt::format("{} is no time", time));
    if (time < previous) return invalid(fmt::format("{} stands behind {}", time, previous));
    previous = time;
    const std::int64_t sample = std::llround(time * audio::kSampleRate);
    if (i % 2 == 0) {
      clips.push_back({.start = sample});
    } else if (sample == clips.back().start) {
      return invalid(fmt::format("the clip from {} to {} is empty", timestamps[i - 1], time));
    } else {
      clips.back().end = sample;
    }
  }
  return clips;
}

Result<ClipReader::Event> ClipReader::read(audio::ChannelSamples& samples) {
  while (clip_ < clips_.size()) {
    const Clip& clip = clips_[clip_];
    if (at_end_ || position_ >= clip.end) {
      const bool had_begun = std::exchange(has_begun_, false);
      clip_ = at_end_ ? clips_.size() : clip_ + 1;
      if (had_begun) return Event::kClipEnd;
      continue;
    }
    if (used_ == block_size_) {
      const auto count = decoder_.read(block_);
      block_size_ = count ? *count : 0;
      used_ = 0;
      at_end_ = block_size_ == 0;
      if (!count) return count.error();
      continue;
    }
    const auto rest = static_cast<std::int64_t>(block_size_ - used_);
    const bool wanted = position_ >= clip.start;
    const auto count = static_cast<std::size_t>(std::min(rest, (wanted ? clip.end : clip.start) - position_));
    if (wanted) {
      samples.resize(block_.size());
      for (std::size_t channel = 0; channel < block_.size(); ++channel) {
        const auto first = block_[channel].begin() + static_cast<std::ptrdiff_t>(used_);
        samples[channel].assign(first, first + static_cast<std::ptrdiff_t>(count));
      }
    }
    used_ += count;
    position_ += static_cast<std::int64_t>(count);
    if (!wanted) continue;
    has_begun_ = true;
    return Event::kSamples;
  }
  return Event::kEnd;
}

}  // namespace stenod::transcribe
