#include "whisper/segments.h"

#include <gtest/gtest.h>

#include "whisper/test_vocabulary.h"

namespace stenod::whisper {
namespace {

const SpecialTokens kTokens = test_tokens();

int ts(int frame) { return kTokens.timestamp_begin + frame; }

struct Expected {
  double start_s, end_s;
  int first_token, num_tokens;
};

void expect_segments(const std::vector<int>& decoded, int real_frames, const std::vector<Expected>& expected) {
  const auto got = split_segments(kTokens, decoded, real_frames);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].start_s, expected[i].start_s, 1e-9) << i;
    EXPECT_NEAR(got[i].end_s, expected[i].end_s, 1e-9) << i;
    EXPECT_EQ(got[i].first_token, expected[i].first_token) << i;
    EXPECT_EQ(got[i].num_tokens, expected[i].num_tokens) << i;
  }
}

TEST(Segments, NothingDecoded) {
  expect_segments({}, 100, {});
  expect_segments({ts(0)}, 100, {});
  expect_segments({ts(0), ts(50)}, 100, {});
}

TEST(Segments, OneSegmentWithBothTimes) { expect_segments({ts(5), 1, 2, ts(80)}, 100, {{0.1, 1.6, 1, 2}}); }

TEST(Segments, PairsOfTimestampsCut) {
  expect_segments({ts(0), 1, ts(20), ts(20), 2, 3, ts(40), ts(50), 4, ts(60)}, 100,
                  {{0, 0.4, 1, 1}, {0.4, 0.8, 4, 2}, {1.0, 1.2, 8, 1}});
}

TEST(Segments, TextAfterTheLastPairLastsToTheEndOfTheAudio) {
  expect_segments({ts(0), 1, ts(20), ts(25), 2, 3}, 100, {{0, 0.4, 1, 1}, {0.5, 2.0, 4, 2}});
}

TEST(Segments, WithoutTimestampsThereIsOneSegment) { expect_segments({1, 2, 3}, 75, {{0, 1.5, 0, 3}}); }

TEST(Segments, TimesAreClampedAndNeverFall) {
  expect_segments({ts(90), 1, ts(300), ts(300), 2, ts(1500)}, 100, {{1.8, 2.0, 1, 1}, {2.0, 2.0, 4, 1}});
  expect_segments({ts(50), 1, ts(20), ts(10), 2}, 100, {{1.0, 1.0, 1, 1}, {1.0, 2.0, 4, 1}});
}

}  // namespace
}  // namespace stenod::whisper
