#include "app/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace stenod::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TranscribeStatus halfway() {
  TranscribeStatus status;
  status.fraction = 0.5;
  status.audio_s = 3600;
  status.total_s = 7200;
  status.elapsed_s = 100;
  return status;
}

TEST(Progress, ShowsPercentPositionSpeedAndTimeLeft) {
  EXPECT_EQ(render_transcribe_status(halfway(), 80),
            "[###############---------------]   50 %  1:00:00 / 2:00:00  36.0x  1:40 left");
}

TEST(Progress, CountsSeveralFiles) {
  TranscribeStatus status = halfway();
  status.num_files = 12;
  status.num_done = 3;
  status.total_s.reset();
  const std::string line = render_transcribe_status(status, 120);
  EXPECT_THAT(line, HasSubstr("3 of 12 files"));
  EXPECT_THAT(line, HasSubstr("1:00:00  36.0x"));
}

TEST(Progress, NeverFillsTheLineAndKeepsThePercentLongest) {
  TranscribeStatus status = halfway();
  status.num_files = 12;
  for (int width = 0; width <= 200; ++width) {
    const std::string line = render_transcribe_status(status, width);
    EXPECT_LE(static_cast<int>(line.size()), std::max(0, width - 1));
    if (width >= 6) {
      EXPECT_THAT(line, HasSubstr("50 %"));
    }
    if (width >= 14) {
      EXPECT_THAT(line, HasSubstr("36.0x"));
    }
  }
}

TEST(Progress, SaysNothingItDoesNotKnowYet) {
  const std::string line = render_transcribe_status({}, 80);
  EXPECT_THAT(line, HasSubstr("0 %"));
  EXPECT_THAT(line, Not(HasSubstr("left")));
  EXPECT_THAT(line, Not(HasSubstr("x")));
}

TEST(Progress, SurvivesNonsense) {
  TranscribeStatus status = halfway();
  status.fraction = 7;
  status.audio_s = std::numeric_limits<double>::quiet_NaN();
  status.total_s = std::numeric_limits<double>::infinity();
  EXPECT_THAT(render_transcribe_status(status, 80), HasSubstr("100 %"));
  EXPECT_EQ(render_transcribe_status(status, -5), "");
}

TEST(Progress, Clock) {
  EXPECT_EQ(clock_text(0), "0:00");
  EXPECT_EQ(clock_text(59.6), "1:00");
  EXPECT_EQ(clock_text(3599), "59:59");
  EXPECT_EQ(clock_text(36061), "10:01:01");
  EXPECT_EQ(clock_text(-4), "0:00");
}

TEST(Progress, Download) {
  EXPECT_EQ(render_download_status({"base", 37000000, 148000000, 5e6}, 100),
            "[#######-----------------------]  base   25 %  37.0 of 148.0 MB  5.0 MB/s  0:22 left");
  EXPECT_THAT(render_download_status({"base", 0, 0, 0}, 80), HasSubstr("0 %"));
}

TEST(Progress, AddsUpFilesAndNeverGoesBack) {
  Console console(true);
  TranscribeProgress progress(console, {"/nonexistent/a", "/nonexistent/b"});  // of equal weight
  EXPECT_EQ(progress.status().fraction, 0);
  progress.update(0, {20, 30, 40, 60});
  EXPECT_DOUBLE_EQ(progress.status().fraction, 0.25);
  EXPECT_EQ(progress.status().total_s, std::nullopt) << "the second file is not open yet";
  progress.update(1, {10, 10, 20, 40});
  EXPECT_DOUBLE_EQ(progress.status().fraction, 0.375);
  EXPECT_EQ(progress.status().audio_s, 40);
  EXPECT_EQ(progress.status().total_s, 100);
  progress.update(0, {30, 30, 50, 600});  // the file turns out to be longer than it claimed
  EXPECT_DOUBLE_EQ(progress.status().fraction, 0.375);
  progress.finish(0);
  progress.finish(1);
  EXPECT_EQ(progress.status().fraction, 1);
  EXPECT_EQ(progress.status().num_done, 2u);
}

}  // namespace
}  // namespace stenod::app
