#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace stenod {
namespace {

TEST(ThreadPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> count = 0;
  {
    ThreadPool pool(3);
    for (int i = 0; i < 1000; ++i) pool.post([&] { ++count; });
  }
  EXPECT_EQ(count, 1000);
}

TEST(Strand, RunsOneTaskAtATimeInOrder) {
  std::vector<std::vector<int>> seen(8);  // no lock: that is what a strand is for
  {
    ThreadPool pool(4);
    std::vector<Strand> strands;
    for (int s = 0; s < 8; ++s) strands.emplace_back(pool);
    for (int i = 0; i < 500; ++i) {
      for (std::size_t s = 0; s < strands.size(); ++s) strands[s].post([&seen, s, i] { seen[s].push_back(i); });
    }
  }
  for (const auto& order : seen) {
    ASSERT_EQ(order.size(), 500u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(Strand, TasksMayPostToTheirOwnStrand) {
  int depth = 0;
  std::atomic<bool> done = false;
  ThreadPool pool(2);
  const Strand strand(pool);
  const std::function<void()> again = [&] {
    EXPECT_TRUE(strand.is_current());
    if (++depth < 100) {
      strand.post(again);
    } else {
      done = true;
    }
  };
  strand.post(again);
  while (!done) std::this_thread::yield();
  EXPECT_EQ(depth, 100);
  EXPECT_FALSE(strand.is_current());
}

}  // namespace
}  // namespace stenod
