#include "live/settings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace stenod::live {
namespace {

/// The setting that is wrong; empty: none.
std::string wrong(const SessionSettings& settings, const SessionLimits& limits = {}) {
  const Status status = check_settings(settings, limits);
  if (status) return "";
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(status.error().message.empty());
  return status.error().param;
}

TEST(Settings, DefaultsAreAllowed) { EXPECT_EQ(wrong({}), ""); }

struct Range {
  const char* name;
  double min, max, step;
  std::function<void(SessionSettings&, double)> set;
};

TEST(Settings, EachHasALeastAndAGreatestValue) {
  const SessionLimits limits;
  const Range ranges[] = {
      {"partial_interval_ms", 100, 10000, 1,
       [](auto& settings, double value) { settings.partial_interval_ms = static_cast<int>(value); }},
      {"vad_threshold", 0.05, 0.95, 0.001, [](auto& settings, double value) { settings.vad_threshold = value; }},
      {"silence_ms", 100, 5000, 1, [](auto& settings, double value) { settings.silence_ms = static_cast<int>(value); }},
      {"min_speech_ms", 0, 5000, 1,
       [](auto& settings, double value) { settings.min_speech_ms = static_cast<int>(value); }},
      {"chunk_s", 1, 25, 0.001, [](auto& settings, double value) { settings.chunk_s = value; }},
      {"overlap_s", 0, 1.5, 0.001, [](auto& settings, double value) { settings.overlap_s = value; }},
  };
  for (const Range& range : ranges) {
    const auto with = [&](double value) {
      SessionSettings settings;
      range.set(settings, value);
      return wrong(settings, limits);
    };
    EXPECT_EQ(with(range.min), "") << range.name;
    EXPECT_EQ(with(range.max), "") << range.name;
    EXPECT_EQ(with(range.min - range.step), range.name);
    EXPECT_EQ(with(range.max + range.step), range.name);
    if (range.step < 1) {
      EXPECT_EQ(with(std::numeric_limits<double>::quiet_NaN()), range.name);
      EXPECT_EQ(with(std::numeric_limits<double>::infinity()), range.name);
    }
  }
}

TEST(Settings, NoPartialsIsAChoice) {
  SessionSettings settings;
  settings.partial_interval_ms = 0;
  EXPECT_EQ(wrong(settings), "");
  settings.partial_interval_ms = -1;
  EXPECT_EQ(wrong(settings), "partial_interval_ms");
}

TEST(Settings, TheOverlapIsAtMostHalfAPiece) {
  SessionSettings settings;
  settings.chunk_s = 20;
  settings.overlap_s = 10;
  EXPECT_EQ(wrong(settings), "");
  settings.chunk_s = 19.9;
  EXPECT_EQ(wrong(settings), "overlap_s");
}

TEST(Settings, LimitsAreTheServers) {
  SessionLimits limits;
  limits.min_silence_ms = 600;
  limits.max_silence_ms = 700;
  SessionSettings settings;
  EXPECT_EQ(wrong(settings, limits), "silence_ms");
  settings.silence_ms = 650;
  EXPECT_EQ(wrong(settings, limits), "");
  const Status status = check_settings({}, limits);
  EXPECT_EQ(status.error().message, "silence_ms is 500, expected 600 to 700");
}

}  // namespace
}  // namespace stenod::live
