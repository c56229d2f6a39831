#include "live/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace stenod::live {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string defect(const Ledger& ledger, std::int64_t num_samples) {
  const Status status = ledger.check(num_samples);
  if (status) return "";
  EXPECT_EQ(status.error().code, ErrorCode::kInternal);
  return status.error().message;
}

TEST(Ledger, IntervalsThatCoverTheStreamAreRight) {
  Ledger ledger;
  EXPECT_EQ(defect(ledger, 0), "");
  ledger.add_silence(0, 100);
  ledger.add_transcribed(100, 250);
  ledger.add_dropped(250, 300, "too_short");
  EXPECT_EQ(defect(ledger, 300), "");
}

TEST(Ledger, NamesWhatIsMissing) {
  Ledger ledger;
  EXPECT_EQ(defect(ledger, 1), "0 samples are accounted for, 1 were received");
  ledger.add_silence(0, 100);
  EXPECT_EQ(defect(ledger, 150), "100 samples are accounted for, 150 were received");
  EXPECT_EQ(defect(ledger, 50), "100 samples are accounted for, 50 were received");
  ledger.add_silence(120, 150);
  EXPECT_EQ(defect(ledger, 150), "samples [100, 120) are accounted for never");

  Ledger late;
  late.add_silence(5, 10);
  EXPECT_EQ(defect(late, 10), "samples [0, 5) are accounted for never");
}

TEST(Ledger, NamesWhatIsEnteredTwice) {
  Ledger ledger;
  ledger.add_silence(0, 100);
  ledger.add_transcribed(80, 200);
  EXPECT_EQ(defect(ledger, 200), "samples [80, 100) are accounted for twice");
  Ledger same;
  same.add_transcribed(0, 10);
  same.add_transcribed(0, 10);
  EXPECT_THAT(defect(same, 10), HasSubstr("twice"));
}

TEST(Ledger, ADefectDoesNotHideBehindAnother) {
  Ledger ledger;  // as many samples as there are, but one twice and one never
  ledger.add_silence(0, 6);
  ledger.add_transcribed(5, 9);
  EXPECT_NE(defect(ledger, 10), "");
  EXPECT_NE(defect(ledger, 9), "");
}

TEST(Ledger, EntriesComeInAnyOrder) {
  Ledger ledger;
  ledger.add_silence(200, 300);
  ledger.add_transcribed(300, 400);
  ledger.add_silence(0, 50);
  ledger.add_dropped(100, 200, "repetition");  // the engine's answer comes late
  ledger.add_silence(50, 100);
  EXPECT_EQ(defect(ledger, 400), "");
  const LedgerTotals totals = ledger.totals(400, 400);
  EXPECT_EQ(totals.silence, 200);
  EXPECT_EQ(totals.transcribed, 100);
  EXPECT_THAT(totals.dropped, ElementsAre(Pair("repetition", 100)));
}

TEST(Ledger, WhatIsEmptyIsNoEntry) {
  Ledger ledger;
  ledger.add_dropped(0, 0, "too_short");
  ledger.add_silence(0, 10);
  ledger.add_transcribed(5, 5);
  ledger.add_transcribed(10, 8);
  EXPECT_EQ(defect(ledger, 10), "");
  EXPECT_THAT(ledger.totals(10, 10).dropped, IsEmpty());
}

TEST(Ledger, NeighboursAreAddedUpByKindAndReason) {
  Ledger ledger;
  ledger.add_dropped(0, 10, "too_short");
  ledger.add_dropped(10, 25, "no_speech");
  ledger.add_dropped(25, 30, "no_speech");
  ledger.add_silence(30, 40);
  ledger.add_silence(40, 60);
  ledger.add_transcribed(60, 61);
  EXPECT_EQ(defect(ledger, 61), "");
  const LedgerTotals totals = ledger.totals(61, 61);
  EXPECT_EQ(totals.received, 61);
  EXPECT_EQ(totals.silence, 30);
  EXPECT_EQ(totals.transcribed, 1);
  EXPECT_THAT(totals.dropped, ElementsAre(Pair("no_speech", 20), Pair("too_short", 10)));
}

TEST(Ledger, TotalsAreInInputFrames) {
  Ledger ledger;
  ledger.add_silence(0, 1000);
  ledger.add_transcribed(1000, 1600);
  const LedgerTotals totals = ledger.totals(1600, 4800);  // 48 kHz
  EXPECT_EQ(totals.received, 4800);
  EXPECT_EQ(totals.silence, 3000);
  EXPECT_EQ(totals.transcribed, 1800);
  EXPECT_EQ(Ledger().totals(0, 0).received, 0);
  EXPECT_EQ(Ledger().totals(0, 7).received, 7);
}

TEST(Ledger, RoundingLosesNoFrame) {
  std::mt19937 random(1);
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  for (int i = 0; i < 200; ++i) {
    const int rate = number(8000, 48000);
    const std::int64_t num_frames = number(1, 200000);
    const std::int64_t num_samples = (num_frames * 16000 + rate / 2) / rate;
    if (num_samples == 0) continue;
    Ledger ledger;
    for (std::int64_t at = 0; at < num_samples;) {
      const std::int64_t end = std::min<std::int64_t>(num_samples, at + number(1, 5000));
      switch (number(0, 2)) {
        case 0:
          ledger.add_silence(at, end);
          break;
        case 1:
          ledger.add_transcribed(at, end);
          break;
        default:
          ledger.add_dropped(at, end, number(0, 1) == 0 ? "a" : "b");
          break;
      }
      at = end;
    }
    ASSERT_EQ(defect(ledger, num_samples), "");
    const LedgerTotals totals = ledger.totals(num_samples, num_frames);
    std::int64_t sum = totals.silence + totals.transcribed;
    for (const auto& [reason, frames] : totals.dropped) sum += frames;
    ASSERT_EQ(sum, num_frames) << "at " << rate << " Hz";
  }
}

}  // namespace
}  // namespace stenod::live
