#include "transcribe/window_packer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace stenod::transcribe {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kRate = 16000;
constexpr std::int64_t kMaxPause = 10 * kRate;

Piece piece(double start_s, double end_s) {
  return {static_cast<std::int64_t>(start_s * kRate), static_cast<std::int64_t>(end_s * kRate)};
}

std::vector<Window> pack(const std::vector<Piece>& speech, std::int64_t max_pause = kMaxPause) {
  WindowPacker packer(max_pause);
  std::vector<Window> windows;
  for (const Piece& one : speech) {
    if (auto window = packer.push(one)) windows.push_back(*std::move(window));
  }
  if (auto window = packer.finish()) windows.push_back(*std::move(window));
  EXPECT_FALSE(packer.finish()) << "something was left";
  return windows;
}

TEST(WindowPacker, NothingGivesNothing) { EXPECT_TRUE(pack({}).empty()); }

TEST(WindowPacker, WindowsHoldUpTo30Seconds) {
  const auto windows = pack({piece(0, 10), piece(11, 21), piece(22, 32), piece(33, 33.1), piece(34, 44)});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[0].pieces, ElementsAre(piece(0, 10), piece(11, 21), piece(22, 32)));  // exactly 30 s
  EXPECT_THAT(windows[1].pieces, ElementsAre(piece(33, 33.1), piece(34, 44)));
  EXPECT_EQ(windows[0].num_samples(), kMaxWindowSamples);
  EXPECT_EQ(windows[1].start(), 33 * kRate);
  EXPECT_EQ(windows[1].end(), 44 * kRate);
}

TEST(WindowPacker, AWindowIsGivenWithThePieceThatDoesNotFit) {
  WindowPacker packer(kMaxPause);
  EXPECT_FALSE(packer.push(piece(0, 29)));
  const auto window = packer.push(piece(30, 31.5));
  ASSERT_TRUE(window);
  EXPECT_THAT(window->pieces, ElementsAre(piece(0, 29)));
}

TEST(WindowPacker, LongPausesEndWindows) {
  EXPECT_EQ(pack({piece(0, 1), piece(11, 12)}).size(), 1u);
  EXPECT_EQ(pack({piece(0, 1), {11 * kRate + 1, 12 * kRate}}).size(), 2u);
}

TEST(Window, TimesAreThoseOfTheRecording) {
  const Window window{{piece(2, 5), piece(7, 8), piece(20, 24)}};
  struct Case {
    double window_s, start_s, end_s;
  };
  for (const Case& c : {Case{0, 2, 2}, Case{1.5, 3.5, 3.5}, Case{3, 7, 5}, Case{3.25, 7.25, 7.25}, Case{4, 20, 8},
                        Case{6, 22, 22}, Case{8, 24, 24}, Case{-1, 2, 2}, Case{1e9, 24, 24}}) {
    EXPECT_NEAR(window.start_time(c.window_s), c.start_s, 1e-9) << c.window_s;
    EXPECT_NEAR(window.end_time(c.window_s), c.end_s, 1e-9) << c.window_s;
  }
}

TEST(WindowPacker, EverySampleOfSpeechIsInOneWindowInOrder) {
  std::mt19937 random(1);
  const auto any = [&random](std::int64_t from, std::int64_t to) {
    return std::uniform_int_distribution<std::int64_t>(from, to)(random);
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<Piece> speech;
    const std::int64_t longest = any(1, kMaxWindowSamples);
    std::int64_t at = 0;
    for (std::int64_t i = any(1, 40); i > 0; --i) {
      const std::int64_t start = at + (any(0, 3) == 0 ? 0 : any(0, 2 * kMaxPause));
      at = start + any(1, longest);
      speech.push_back({start, at});
    }
    const auto windows = pack(speech);

    std::vector<Piece> packed;
    for (const Window& window : windows) {
      ASSERT_FALSE(window.pieces.empty());
      EXPECT_LE(window.num_samples(), kMaxWindowSamples);
      for (std::size_t i = 1; i < window.pieces.size(); ++i) {
        EXPECT_LE(window.pieces[i].start - window.pieces[i - 1].end, kMaxPause);
      }
      packed.insert(packed.end(), window.pieces.begin(), window.pieces.end());

      // Times never fall, lie inside of pieces, and a start lies nowhere before the end at the same place.
      double start_before = -1, end_before = -1;
      const double window_s = static_cast<double>(window.num_samples()) / kRate;
      for (int i = -1; i <= 101; ++i) {
        const double start = window.start_time(window_s * i / 100);
        const double end = window.end_time(window_s * i / 100);
        EXPECT_GE(start, start_before);
        EXPECT_GE(end, end_before);
        EXPECT_GE(start, end - 1e-9);
        for (const double time : {start, end}) {
          EXPECT_TRUE(std::any_of(window.pieces.begin(), window.pieces.end(), [time](const Piece& p) {
            return time * kRate >= static_cast<double>(p.start) - 1e-3 &&
                   time * kRate <= static_cast<double>(p.end) + 1e-3;
          })) << time;
        }
        start_before = start;
        end_before = end;
      }
    }
    EXPECT_EQ(packed, speech);
    for (std::size_t i = 1; i < windows.size(); ++i) {
      const bool full = windows[i - 1].num_samples() + windows[i].pieces[0].size() > kMaxWindowSamples;
      EXPECT_TRUE(full || windows[i].start() - windows[i - 1].end() > kMaxPause) << "cut without a reason";
    }
  }
}

}  // namespace
}  // namespace stenod::transcribe
