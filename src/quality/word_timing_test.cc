#include "quality/word_timing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::quality {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PartStartErrors, AreThoseOfFirstWordsThatWereFound) {
  const std::vector<Part> parts = {
      {0.0, "Hello there."}, {2.0, "Goodbye, Mr. Smith"}, {5.0, "Twenty five"}, {7.0, "..."}};
  const std::vector<text::Word> words = {{" Hello", 0.25, 0.5}, {" there.", 0.5, 1}, {" Good", 2.1, 2.5},
                                         {" mister", 2.6, 2.8}, {" Smith.", 2.8, 3}, {" Twenty", 4.9, 5.3},
                                         {" five", 5.3, 5.6}};
  EXPECT_THAT(part_start_errors(parts, words, "en"), ElementsAre(DoubleNear(0.25, 1e-9), DoubleNear(0.1, 1e-9)));
}

TEST(PartStartErrors, NeedWords) {
  EXPECT_THAT(part_start_errors({{0.0, "a"}}, {}, "en"), IsEmpty());
  EXPECT_THAT(part_start_errors({}, {{"a", 0, 1}}, "en"), IsEmpty());
}

TEST(PartStartErrors, CompareByCharacterWhereThatIsDue) {
  EXPECT_THAT(part_start_errors({{1.0, "你好"}, {3.0, "世界"}}, {{"你", 1.5, 2}, {"世界", 3, 4}}, "zh"),
              ElementsAre(0.5, 0.0));
}

}  // namespace
}  // namespace stenod::quality
