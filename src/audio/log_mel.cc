#include "audio/log_mel.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

#include "audio/log_mel_kernel.h"

namespace stenod::audio {
namespace {

constexpr int kHalf = kFftSamples / 2;
constexpr float kSilence = -10.0f;
/// Samples taken over at a time, so that a long call needs no long copy.
constexpr std::size_t kPieceSamples = kSampleRate;

/// Slaney's scale: linear up to 1000 Hz (mel 15), logarithmic above.
constexpr double kLinearHz = 1000.0;
constexpr double kLinearMel = 15.0;
const double kLogStep = std::log(6.4) / 27.0;

double to_mel(double hz) {
  return hz < kLinearHz ? hz * kLinearMel / kLinearHz : kLinearMel + std::log(hz / kLinearHz) / kLogStep;
}

double to_hz(double mel) {
  return mel < kLinearMel ? mel * kLinearHz / kLinearMel : kLinearHz * std::exp(kLogStep * (mel - kLinearMel));
}

const LogMelTables& tables_for(int num_mels) {
  assert(num_mels == 80 || num_mels == 128);
  static const LogMelTables tables80(80);
  static const LogMelTables tables128(128);
  return num_mels == 128 ? tables128 : tables80;
}

float to_float(std::int16_t sample) { return static_cast<float>(sample) / 32768.0f; }
float to_float(float sample) { return std::isnan(sample) ? 0.0f : std::clamp(sample, -1.0f, 1.0f); }

}  // namespace

LogMelTables::LogMelTables(int num_mels) {
  for (int i = 0; i < kFftSamples; ++i) {
    const double angle = 2 * std::numbers::pi * i / kFftSamples;
    cosine[i] = static_cast<float>(std::cos(angle));
    sine[i] = static_cast<float>(-std::sin(angle));
    window[i] = static_cast<float>(0.25 * (1 - std::cos(angle)));
  }
  std::vector<double> edges;  // of the triangles, in Hz: equally spaced in mel
  for (int i = 0; i < num_mels + 2; ++i) edges.push_back(to_hz(to_mel(kSampleRate / 2.0) * i / (num_mels + 1)));
  for (int m = 0; m < num_mels; ++m) {
    const double low = edges[m];
    const double centre = edges[m + 1];
    const double high = edges[m + 2];
    Filter filter{0, {}};
    for (int bin = 0; bin <= kHalf; ++bin) {
      const double hz = static_cast<double>(bin) * kSampleRate / kFftSamples;
      const double height = std::min((hz - low) / (centre - low), (high - hz) / (high - centre));
      if (height <= 0) continue;
      if (filter.weights.empty()) filter.first_bin = bin;
      filter.weights.push_back(static_cast<float>(height * 2 / (high - low)));
    }
    filters.push_back(std::move(filter));
  }
}

LogMelExtractor::LogMelExtractor(int num_mels) : tables_(tables_for(num_mels)) { reset(); }

void LogMelExtractor::reset() {
  pending_.assign(kHalf, 0.0f);
  num_samples_ = 0;
  mirrored_ = false;
}

void LogMelExtractor::append(std::span<const float> samples, LogMel& out) { append_samples(samples, out); }
void LogMelExtractor::append(std::span<const std::int16_t> samples, LogMel& out) { append_samples(samples, out); }

template <typename Sample>
void LogMelExtractor::append_samples(std::span<const Sample> samples, LogMel& out) {
  while (!samples.empty()) {
    const auto piece = samples.first(std::min(samples.size(), kPieceSamples));
    samples = samples.subspan(piece.size());
    for (const Sample sample : piece) pending_.push_back(to_float(sample));
    num_samples_ += static_cast<std::int64_t>(piece.size());
    produce(out);
  }
}

void LogMelExtractor::produce(LogMel& out) {
  assert(out.num_mels == static_cast<int>(tables_.filters.size()));
  if (!mirrored_) {
    if (num_samples_ <= kHalf) return;
    for (int i = 1; i <= kHalf; ++i) pending_[kHalf - i] = pending_[kHalf + i];
    mirrored_ = true;
  }
  if (pending_.size() < kFftSamples) return;
  const int num_frames = static_cast<int>((pending_.size() - kFftSamples) / kHopSamples + 1);
  const std::size_t at = out.values.size();
  out.values.resize(at + static_cast<std::size_t>(num_frames) * out.num_mels);
  compute_log_mel(tables_, pending_.data(), num_frames, out.values.data() + at);
  out.num_frames += num_frames;
  pending_.erase(pending_.begin(), pending_.begin() + num_frames * kHopSamples);
}

void LogMelExtractor::flush(LogMel& out) {
  if (num_samples_ > 0) {
    const std::int64_t last_frame = (num_samples_ + kHalf - 1) / kHopSamples;
    const std::int64_t num_zeros = std::max<std::int64_t>(last_frame * kHopSamples + kHalf - num_samples_, 0);
    append_samples(std::span<const float>(std::vector<float>(static_cast<std::size_t>(num_zeros))), out);
  }
  reset();
}

void normalised_window(const LogMel& mel, int first_frame, int num_real_frames, int num_frames, std::span<float> out) {
  assert(first_frame >= 0 && num_real_frames >= 0 && num_real_frames <= num_frames);
  assert(first_frame + num_real_frames <= mel.num_frames);
  const std::size_t num_mels = static_cast<std::size_t>(mel.num_mels);
  assert(out.size() == num_frames * num_mels);
  const auto real = std::span(mel.values).subspan(first_frame * num_mels, num_real_frames * num_mels);
  // Silence is the least value there is, so padding never decides the maximum.
  const float floor = max_value(real, kSilence) - 8.0f;
  scale_log_mel(real, floor, out.data());
  const float padding = (std::max(kSilence, floor) + 4.0f) * 0.25f;
  std::fill_n(out.data() + real.size(), num_frames * num_mels - real.size(), padding);
}

}  // namespace stenod::audio
