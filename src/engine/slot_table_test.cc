#include "engine/slot_table.h"

#include <gtest/gtest.h>

namespace stenod::engine {
namespace {

TEST(SlotTable, HandsOutEverySlotOnce) {
  SlotTable slots(2);
  const auto a = slots.acquire();
  const auto b = slots.acquire();
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->index, b->index);
  EXPECT_EQ(slots.num_free(), 0);
  EXPECT_FALSE(slots.acquire());
}

TEST(SlotTable, AnOldHandleCannotTouchItsSuccessor) {
  SlotTable slots(1);
  const auto old = *slots.acquire();
  EXPECT_TRUE(slots.release(old));
  EXPECT_FALSE(slots.release(old));
  const auto next = *slots.acquire();
  EXPECT_EQ(next.index, old.index);
  EXPECT_FALSE(slots.is_current(old));
  EXPECT_FALSE(slots.release(old));
  EXPECT_TRUE(slots.is_current(next));
  EXPECT_EQ(slots.num_free(), 0);
}

TEST(SlotTable, HandlesThatWereNeverGivenOutAreRefused) {
  SlotTable slots(1);
  EXPECT_FALSE(slots.release({}));
  EXPECT_FALSE(slots.release({0, 0}));
  EXPECT_FALSE(slots.release({7, 1}));
  EXPECT_EQ(slots.num_free(), 1);
}

}  // namespace
}  // namespace stenod::engine
