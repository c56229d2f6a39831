#include "whisper/alignment.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "whisper/decoding_options.h"

namespace stenod::whisper {
namespace {

constexpr int kMedianWidth = 7;
constexpr int kMedianRadius = kMedianWidth / 2;
constexpr double kMaxTypicalWord_s = 0.7;

// For each frame, over the rows: (weight - mean) / standard deviation.
void standardise_over_rows(float* weights, int num_rows, int num_frames) {
  std::vector<float> mean(num_frames, 0.0f);
  std::vector<float> deviation(num_frames, 0.0f);
  for (int r = 0; r < num_rows; ++r) {
    const float* row = weights + static_cast<std::size_t>(r) * num_frames;
    for (int f = 0; f < num_frames; ++f) mean[f] += row[f];
  }
  for (int f = 0; f < num_frames; ++f) mean[f] /= static_cast<float>(num_rows);
  for (int r = 0; r < num_rows; ++r) {
    const float* row = weights + static_cast<std::size_t>(r) * num_frames;
    for (int f = 0; f < num_frames; ++f) deviation[f] += (row[f] - mean[f]) * (row[f] - mean[f]);
  }
  for (int f = 0; f < num_frames; ++f) {
    const float sigma = std::sqrt(deviation[f] / static_cast<float>(num_rows));
    deviation[f] = sigma > 0 ? 1 / sigma : 0;  // a frame that all rows see alike says nothing
  }
  for (int r = 0; r < num_rows; ++r) {
    float* row = weights + static_cast<std::size_t>(r) * num_frames;
    for (int f = 0; f < num_frames; ++f) row[f] = (row[f] - mean[f]) * deviation[f];
  }
}

inline void sort_pair(float& low, float& high) {
  const float a = low;
  const float b = high;
  low = a < b ? a : b;
  high = a < b ? b : a;
}

// Adds the running median of `row`, mirrored at its ends, to `sum`. `padded`: scratch of num_frames + 6.
void add_median(const float* row, int num_frames, float* padded, float* sum) {
  if (num_frames <= kMedianRadius) {  // too short to mirror; left as it is
    for (int f = 0; f < num_frames; ++f) sum[f] += row[f];
    return;
  }
  std::copy(row, row + num_frames, padded + kMedianRadius);
  for (int i = 1; i <= kMedianRadius; ++i) {
    padded[kMedianRadius - i] = row[i];
    padded[kMedianRadius + num_frames - 1 + i] = row[num_frames - 1 - i];
  }
  // Neighbouring frames are independent, so the exchanges below become vector minima and maxima.
  for (int f = 0; f < num_frames; ++f) {
    float v0 = padded[f], v1 = padded[f + 1], v2 = padded[f + 2], v3 = padded[f + 3], v4 = padded[f + 4],
          v5 = padded[f + 5], v6 = padded[f + 6];
    sort_pair(v0, v5);
    sort_pair(v0, v3);
    sort_pair(v1, v6);
    sort_pair(v2, v4);
    sort_pair(v0, v1);
    sort_pair(v3, v5);
    sort_pair(v2, v6);
    sort_pair(v2, v3);
    sort_pair(v3, v6);
    sort_pair(v4, v5);
    sort_pair(v1, v4);
    sort_pair(v1, v3);
    sort_pair(v3, v4);
    sum[f] += v3;
  }
}

// The cheapest path from (0, 0) to the last row and frame that goes on by one row, one frame or both; the cost of a
// cell is minus its score. Gives the frame at which the path enters each row.
std::vector<int> warp(std::span<const float> scores, int num_rows, int num_frames) {
  enum Move : std::uint8_t { kBoth, kRow, kFrame };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto width = static_cast<std::size_t>(num_frames);
  std::vector<std::uint8_t> moves(static_cast<std::size_t>(num_rows) * width);
  // Costs with a border: [0] stands for the frame before the first.
  std::vector<float> previous(width + 1, kInfinity);
  std::vector<float> current(width + 1, kInfinity);
  previous[0] = 0;
  for (int r = 0; r < num_rows; ++r) {
    current[0] = kInfinity;
    for (std::size_t f = 0; f < width; ++f) {
      const float both = previous[f];
      const float row = previous[f + 1];
      const float frame = current[f];
      const Move move = frame <= both && frame <= row ? kFrame : both <= row ? kBoth : kRow;
      const float before = std::min({both, row, frame});
      current[f + 1] = before - scores[static_cast<std::size_t>(r) * width + f];
      moves[static_cast<std::size_t>(r) * width + f] = move;
    }
    std::swap(previous, current);
  }

  std::vector<int> entered(static_cast<std::size_t>(num_rows) + 1, 0);
  entered[num_rows] = num_frames;
  int row = num_rows - 1;
  int frame = num_frames - 1;
  while (true) {
    entered[row] = frame;
    const std::uint8_t move = moves[static_cast<std::size_t>(row) * width + frame];
    // At the border only one move is left.
    const bool up = row > 0 && (move != kFrame || frame == 0);
    const bool left = frame > 0 && (move != kRow || row == 0);
    if (!up && !left) break;
    row -= up ? 1 : 0;
    frame -= left ? 1 : 0;
  }
  return entered;
}

bool is_sentence_end(std::string_view word) {
  constexpr std::string_view kMarks[] = {".", "。", "!", "！", "?", "？"};
  return std::find(std::begin(kMarks), std::end(kMarks), word) != std::end(kMarks);
}

double duration(const WordSpan& word) { return word.end_s - word.start_s; }

}  // namespace

RowAligner::RowAligner(int num_rows, int num_frames, int first_row)
    : num_rows_(num_rows),
      num_frames_(num_frames),
      first_row_(first_row),
      scores_(static_cast<std::size_t>(num_rows - first_row) * num_frames, 0.0f),
      padded_(static_cast<std::size_t>(num_frames) + 2 * kMedianRadius) {}

void RowAligner::add_heads(std::span<float> weights) {
  const std::size_t head_size = static_cast<std::size_t>(num_rows_) * num_frames_;
  for (; weights.size() >= head_size; weights = weights.subspan(head_size)) {
    standardise_over_rows(weights.data(), num_rows_, num_frames_);
    for (int r = first_row_; r < num_rows_; ++r) {
      add_median(weights.data() + static_cast<std::size_t>(r) * num_frames_, num_frames_, padded_.data(),
                 scores_.data() + static_cast<std::size_t>(r - first_row_) * num_frames_);
    }
  }
}

std::vector<int> RowAligner::align() const { return warp(scores_, num_rows_ - first_row_, num_frames_); }

void set_word_times(std::span<const int> row_frames, std::span<const float> logprobs, std::span<WordSpan> words) {
  for (WordSpan& word : words) {
    const int end = word.first_token + word.num_tokens;
    // The token after a caught loop or the last before a limit has no row: it ends with the audio.
    const auto frame = [&](int token) {
      return row_frames[std::min(static_cast<std::size_t>(token), row_frames.size() - 1)];
    };
    word.start_s = frame(word.first_token) * kSecondsPerEncoderFrame;
    word.end_s = frame(end) * kSecondsPerEncoderFrame;
    double sum = 0;
    for (int i = word.first_token; i < end; ++i) sum += std::exp(logprobs[i]);
    word.probability = word.num_tokens > 0 ? static_cast<float>(sum / word.num_tokens) : 0;
  }
}

double typical_word_duration(std::span<const WordSpan> words) {
  std::vector<double> durations;
  for (const WordSpan& word : words) {
    if (duration(word) > 0) durations.push_back(duration(word));
  }
  if (durations.empty()) return 0;
  std::sort(durations.begin(), durations.end());
  const std::size_t middle = durations.size() / 2;
  const double median = durations.size() % 2 == 1 ? durations[middle] : (durations[middle - 1] + durations[middle]) / 2;
  return std::min(kMaxTypicalWord_s, median);
}

void shorten_words_at_sentence_ends(std::span<WordSpan> words, double typical_s) {
  const double longest = 2 * typical_s;
  if (longest <= 0) return;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (duration(words[i]) <= longest) continue;
    if (is_sentence_end(words[i].text)) {
      words[i].end_s = words[i].start_s + longest;
    } else if (is_sentence_end(words[i - 1].text)) {
      words[i].start_s = words[i].end_s - longest;
    }
  }
}

void settle_segment_times(std::span<WordSpan> words, double typical_s, double previous_end_s, double& start_s,
                          double& end_s) {
  constexpr double kTrusted_s = 0.5;
  if (words.empty()) return;
  const double longest = 2 * typical_s;
  WordSpan& first = words.front();
  WordSpan& last = words.back();

  const bool after_pause = first.end_s - previous_end_s > 4 * typical_s;
  const bool two_too_long = words.size() > 1 && words[1].end_s - first.start_s > 2 * longest;
  if (after_pause && (duration(first) > longest || two_too_long)) {
    if (words.size() > 1 && duration(words[1]) > longest) {
      const double boundary = std::max(words[1].end_s / 2, words[1].end_s - longest);
      first.end_s = words[1].start_s = boundary;
    }
    first.start_s = std::max(0.0, first.end_s - longest);
  }

  if (start_s < first.end_s && start_s - kTrusted_s > first.start_s) {
    first.start_s = std::max(0.0, std::min(first.end_s - typical_s, start_s));
  } else {
    start_s = first.start_s;
  }
  if (end_s > last.start_s && end_s + kTrusted_s < last.end_s) {
    last.end_s = std::max(last.start_s + typical_s, end_s);
  } else {
    end_s = last.end_s;
  }
}

}  // namespace stenod::whisper
