#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, AreWrittenInPrometheusTextFormat) {
  MetricRegistry metrics;
  metrics.counter("stenod_things_total", "Things seen.", {{"kind", "a"}}).add();
  metrics.counter("stenod_things_total", "Things seen.", {{"kind", "a"}}).add(2);
  metrics.gauge("stenod_level", "How high.").set(1.5);
  metrics.histogram("stenod_wait_seconds", "Waiting.", {0.1, 1}).observe(0.5);
  double value = 7;
  metrics.gauge_function("stenod_asked", "Asked for.", [&value] { return value; });
  value = 8;
  std::map<std::string, std::uint64_t> ended;
  metrics.counters_function("stenod_ended_total", "Ended.", "reason", [&ended] { return ended; });
  EXPECT_THAT(metrics.text(), Not(HasSubstr("stenod_ended_total{")));
  ended = {{"end", 1}};
  metrics.text();
  ended = {{"end", 3}, {"timeout", 1}};
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("stenod_ended_total{reason=\"end\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("stenod_ended_total{reason=\"timeout\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# HELP stenod_things_total Things seen.\n# TYPE stenod_things_total counter\n"));
  EXPECT_THAT(text, HasSubstr("stenod_things_total{kind=\"a\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("stenod_level 1.5\n"));
  EXPECT_THAT(text, HasSubstr("stenod_asked 8\n"));
  EXPECT_THAT(text, HasSubstr("stenod_wait_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("stenod_wait_seconds_bucket{le=\"1\"} 1\n"));
}

}  // namespace
}  // namespace stenod
