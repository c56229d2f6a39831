#include "text/compression_ratio.h"

#include <gtest/gtest.h>

#include <string>

namespace stenod::text {
namespace {

// Expected values: len(b) / len(zlib.compress(b)) in Python.
TEST(CompressionRatio, EqualsWhispers) {
  EXPECT_DOUBLE_EQ(compression_ratio("Hello, world."), 13.0 / 21.0);
  std::string loop;
  for (int i = 0; i < 40; ++i) loop += " thank you";
  EXPECT_DOUBLE_EQ(compression_ratio(loop), 400.0 / 23.0);
  EXPECT_DOUBLE_EQ(compression_ratio(""), 0.0);
}

}  // namespace
}  // namespace stenod::text
