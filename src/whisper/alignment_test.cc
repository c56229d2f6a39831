#include "whisper/alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace stenod::whisper {
namespace {

using ::testing::ElementsAre;

using Matrix = std::vector<std::vector<double>>;

/// The published algorithm, step by step, in doubles and with whole matrices.
Matrix plain_scores(const std::vector<float>& weights, int heads, int rows, int frames, int first_row) {
  const auto at = [&](int h, int r, int f) {
    return static_cast<double>(weights[(static_cast<std::size_t>(h) * rows + r) * frames + f]);
  };
  Matrix scores(rows, std::vector<double>(frames));
  for (int h = 0; h < heads; ++h) {
    Matrix z(rows, std::vector<double>(frames));
    for (int f = 0; f < frames; ++f) {
      double mean = 0, variance = 0;
      for (int r = 0; r < rows; ++r) mean += at(h, r, f) / rows;
      for (int r = 0; r < rows; ++r) variance += (at(h, r, f) - mean) * (at(h, r, f) - mean) / rows;
      for (int r = 0; r < rows; ++r) z[r][f] = variance > 0 ? (at(h, r, f) - mean) / std::sqrt(variance) : 0;
    }
    for (int r = 0; r < rows; ++r) {
      for (int f = 0; f < frames; ++f) {
        std::vector<double> near;
        for (int d = -3; d <= 3; ++d) {
          int g = std::abs(f + d);
          if (g >= frames) g = 2 * (frames - 1) - g;
          near.push_back(z[r][frames > 3 ? g : f]);
        }
        std::sort(near.begin(), near.end());
        scores[r][f] += near[3] / heads;
      }
    }
  }
  scores.erase(scores.begin(), scores.begin() + first_row);
  return scores;
}

struct PlainPath {
  std::vector<int> entered;
  double score;
};

PlainPath plain_path(const Matrix& scores) {
  const int n = static_cast<int>(scores.size()), frames = static_cast<int>(scores[0].size());
  Matrix cost(n + 1, std::vector<double>(frames + 1, INFINITY));
  std::vector<std::vector<int>> move(n + 1, std::vector<int>(frames + 1, -1));
  cost[0][0] = 0;
  for (int i = 1; i <= n; ++i) {
    for (int j = 1; j <= frames; ++j) {
      const double c0 = cost[i - 1][j - 1], c1 = cost[i - 1][j], c2 = cost[i][j - 1];
      move[i][j] = c2 <= c0 && c2 <= c1 ? 2 : c0 <= c1 ? 0 : 1;
      cost[i][j] = std::min({c0, c1, c2}) - scores[i - 1][j - 1];
    }
  }
  PlainPath path{std::vector<int>(n + 1, frames), -cost[n][frames]};
  for (int i = n, j = frames; i > 0 && j > 0;) {
    path.entered[i - 1] = j - 1;
    const int m = move[i][j];
    if (m != 2) --i;
    if (m != 1) --j;
  }
  return path;
}

/// The best score of a path that enters the rows at these frames.
double score_of(const Matrix& scores, const std::vector<int>& entered) {
  double sum = 0;
  for (std::size_t r = 0; r < scores.size(); ++r) {
    int end = std::max(entered[r] + 1, entered[r + 1]);
    for (int f = entered[r]; f < end; ++f) sum += scores[r][f];
    // The next row may be entered straight down as well as across.
    if (r + 1 < scores.size() && entered[r + 1] > entered[r]) sum += std::max(0.0, scores[r][end]);
  }
  return sum;
}

std::vector<float> random_weights(int heads, int rows, int frames, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> weights;
  for (int h = 0; h < heads; ++h) {
    for (int r = 0; r < rows; ++r) {
      std::vector<float> row(static_cast<std::size_t>(frames));
      float sum = 0;
      for (int f = 0; f < frames; ++f) {
        const float distance = static_cast<float>(f) / frames - static_cast<float>(r) / rows;
        row[f] = std::exp(normal(random) + 4 * std::exp(-200 * distance * distance));
        sum += row[f];
      }
      for (const float w : row) weights.push_back(w / sum);
    }
  }
  return weights;
}

std::vector<int> align_rows(std::span<float> weights, int num_heads, int num_rows, int num_frames, int first_row) {
  RowAligner aligner(num_rows, num_frames, first_row);
  // The first head for itself: how they are handed over makes no difference.
  const auto head_size = static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(num_frames);
  EXPECT_EQ(weights.size(), static_cast<std::size_t>(num_heads) * head_size);
  aligner.add_heads(weights.first(head_size));
  aligner.add_heads(weights.subspan(head_size));
  return aligner.align();
}

TEST(Alignment, AgreesWithThePublishedAlgorithm) {
  struct Shape {
    int heads, rows, frames, first_row;
  };
  int seed = 0;
  for (const Shape& s : {Shape{1, 2, 7, 0}, Shape{3, 12, 50, 2}, Shape{8, 60, 347, 2}, Shape{2, 30, 4, 0},
                         Shape{2, 9, 3, 2}, Shape{1, 40, 10, 3}, Shape{2, 5, 1, 1}}) {
    for (int run = 0; run < 5; ++run) {
      const auto weights = random_weights(s.heads, s.rows, s.frames, ++seed);
      auto scratch = weights;
      const auto got = align_rows(scratch, s.heads, s.rows, s.frames, s.first_row);
      ASSERT_EQ(got.size(), static_cast<std::size_t>(s.rows - s.first_row + 1));
      EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
      EXPECT_EQ(got.front(), 0);
      EXPECT_EQ(got.back(), s.frames);
      const auto scores = plain_scores(weights, s.heads, s.rows, s.frames, s.first_row);
      const auto want = plain_path(scores);
      EXPECT_NEAR(score_of(scores, got), want.score, 1e-3) << "seed " << seed;
      // With fewer frames than rows medians are often equal, and so are paths.
      if (s.frames > s.rows) {
        EXPECT_EQ(got, want.entered) << "seed " << seed;
      }
    }
  }
}

TEST(Alignment, FollowsAClearDiagonal) {
  constexpr int kRows = 10, kFrames = 200;
  std::vector<float> weights(kRows * kFrames, 0.001f);
  for (int r = 0; r < kRows; ++r) {
    for (int f = r * 20; f < (r + 1) * 20; ++f) weights[static_cast<std::size_t>(r * kFrames + f)] = 0.05f;
  }
  EXPECT_THAT(align_rows(weights, 1, kRows, kFrames, 0), ElementsAre(0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200));
}

TEST(Alignment, EqualRowsSayNothingAndDoNoHarm) {
  std::vector<float> weights(2 * 5 * 40, 0.025f);
  const auto frames = align_rows(weights, 2, 5, 40, 1);
  EXPECT_EQ(frames.size(), 5u);
  EXPECT_TRUE(std::is_sorted(frames.begin(), frames.end()));
  EXPECT_EQ(frames.back(), 40);
}

WordSpan word(std::string text, double start_s, double end_s) { return {std::move(text), 0, 1, start_s, end_s, 1}; }

TEST(Alignment, WordsTakeTheirTimesFromTheirTokens) {
  const std::vector<int> row_frames = {0, 5, 20, 40, 90, 100};  // five tokens
  const std::vector<float> logprobs = {0, std::log(0.5f), std::log(0.25f), std::log(1.0f), 0};
  std::vector<WordSpan> words = {{" a", 1, 2, 0, 0, 0}, {" b", 3, 1, 0, 0, 0}, {" c", 4, 2, 0, 0, 0}};
  words[2].num_tokens = 1;
  set_word_times(row_frames, logprobs, words);
  EXPECT_NEAR(words[0].start_s, 0.1, 1e-9);
  EXPECT_NEAR(words[0].end_s, 0.8, 1e-9);
  EXPECT_NEAR(words[0].probability, 0.375, 1e-6);
  EXPECT_NEAR(words[1].start_s, 0.8, 1e-9);
  EXPECT_NEAR(words[1].end_s, 1.8, 1e-9);
  EXPECT_NEAR(words[2].end_s, 2.0, 1e-9);
}

TEST(Alignment, ATokenWithoutARowEndsWithTheAudio) {
  const std::vector<int> row_frames = {0, 10, 60};  // the third token came last and was never fed back
  std::vector<WordSpan> words = {{" a", 2, 1, 0, 0, 0}};
  set_word_times(row_frames, std::vector<float>{0, 0, 0}, words);
  EXPECT_NEAR(words[0].start_s, 1.2, 1e-9);
  EXPECT_NEAR(words[0].end_s, 1.2, 1e-9);
}

TEST(Alignment, TypicalDurationIsAMedianWithABound) {
  EXPECT_EQ(typical_word_duration({}), 0);
  const std::vector<WordSpan> words = {word("a", 0, 0), word("b", 0, 0.2), word("c", 0, 0.3), word("d", 0, 5)};
  EXPECT_NEAR(typical_word_duration(words), 0.3, 1e-9);
  EXPECT_NEAR(typical_word_duration(std::span(words).first(3)), 0.25, 1e-9);
  EXPECT_NEAR(typical_word_duration(std::span(words).subspan(3)), 0.7, 1e-9);
}

TEST(Alignment, WordsAtSentenceEndsAreShortened) {
  std::vector<WordSpan> words = {word(" a", 0, 2), word(".", 2, 4), word(" b", 4, 6), word(" c", 6, 8)};
  shorten_words_at_sentence_ends(words, 0.3);
  EXPECT_NEAR(words[0].end_s, 2, 1e-9);
  EXPECT_NEAR(words[1].end_s, 2.6, 1e-9);
  EXPECT_NEAR(words[2].start_s, 5.4, 1e-9);
  EXPECT_NEAR(words[2].end_s, 6, 1e-9);
  EXPECT_NEAR(words[3].end_s, 8, 1e-9);
}

TEST(Alignment, LongFirstWordsAfterAPauseAreShortened) {
  double start_s = 3.4, end_s = 6;
  std::vector<WordSpan> words = {word(" a", 0, 4), word(" b", 4, 4.3), word(" c", 5.8, 6)};
  settle_segment_times(words, 0.3, 0, start_s, end_s);
  EXPECT_NEAR(words[0].start_s, 3.4, 1e-9);  // twice 0.3 s before its end
  EXPECT_NEAR(start_s, 3.4, 1e-9);

  // Two long words share what is left.
  words = {word(" a", 0, 4), word(" b", 4, 9)};
  start_s = 0, end_s = 9;
  settle_segment_times(words, 0.5, 0, start_s, end_s);
  EXPECT_NEAR(words[0].end_s, 8, 1e-9);
  EXPECT_NEAR(words[1].start_s, 8, 1e-9);
  EXPECT_NEAR(words[0].start_s, 7, 1e-9);
}

TEST(Alignment, SegmentsFollowTheirWordsUnlessTheyAreFarApart) {
  double start_s = 1.0, end_s = 3.0;
  std::vector<WordSpan> words = {word(" a", 0.8, 1.2), word(" b", 1.2, 3.4)};
  settle_segment_times(words, 0.4, 0.7, start_s, end_s);
  EXPECT_NEAR(start_s, 0.8, 1e-9);
  EXPECT_NEAR(end_s, 3.4, 1e-9);

  start_s = 1.0, end_s = 2.0;
  words = {word(" a", 0.3, 1.2), word(" b", 1.2, 3.4)};
  settle_segment_times(words, 0.5, 0.2, start_s, end_s);
  EXPECT_NEAR(words[0].start_s, 0.7, 1e-9);
  EXPECT_NEAR(start_s, 1.0, 1e-9);
  EXPECT_NEAR(words[1].end_s, 2.0, 1e-9);
  EXPECT_NEAR(end_s, 2.0, 1e-9);
}

}  // namespace
}  // namespace stenod::whisper
