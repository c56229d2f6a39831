#include "compute/thread_team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <vector>

namespace stenod::compute {
namespace {

class ThreadTeamTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadTeamTest, RunsEveryTaskOfManyTinyLoopsOnce) {
  ThreadTeam team(GetParam());
  ASSERT_EQ(team.num_threads(), GetParam());
  std::vector<int> counts(64);  // no atomics: each task's count is touched by one thread a loop
  constexpr int kLoops = 3000;
  std::int64_t expected = 0, stray = 0;
  for (int loop = 0; loop < kLoops; ++loop) {
    const int num_tasks = loop % 65;
    expected += num_tasks;
    std::atomic<int> num_stray = 0;
    team.run(num_tasks, [&](int task, int thread) {
      ++counts[static_cast<std::size_t>(task)];
      num_stray += thread < 0 || thread >= GetParam();
    });
    stray += num_stray;
  }
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), expected);
  for (int task = 1; task < 64; ++task)
    EXPECT_LE(counts[static_cast<std::size_t>(task)], counts[static_cast<std::size_t>(task - 1)]);
  EXPECT_EQ(stray, 0);
}

TEST_P(ThreadTeamTest, ReturnsOnlyWhenUnevenTasksAreDone) {
  ThreadTeam team(GetParam());
  for (int loop = 0; loop < 20; ++loop) {
    std::vector<int> done(17);
    team.run(17, [&](int task, int) {
      if (task % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300 * (task % 3)));
      done[static_cast<std::size_t>(task)] = loop + 1;
    });
    EXPECT_EQ(done, std::vector<int>(17, loop + 1));
  }
}

TEST_P(ThreadTeamTest, WakesWorkersThatSleep) {
  ThreadTeam team(GetParam());
  for (int loop = 0; loop < 10; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));  // longer than workers spin
    // Thread 0 does not end its first task before a worker has come, however busy the machine is.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::atomic<bool> worker_came = GetParam() == 1;
    std::atomic<int> total = 0;
    team.run(2 * GetParam(), [&](int, int thread) {
      ++total;
      if (thread > 0) worker_came = true;
      while (!worker_came && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    });
    EXPECT_EQ(total, 2 * GetParam());
    EXPECT_TRUE(worker_came);
  }
}

// A thread that comes late may count past the end; the count must not be mistaken for another loop.
TEST_P(ThreadTeamTest, RunsTheLargestLoops) {
  ThreadTeam team(GetParam());
  for (const int num_tasks : {ThreadTeam::kMaxTasks, ThreadTeam::kMaxTasks - 1}) {
    std::vector<std::uint8_t> counts(static_cast<std::size_t>(num_tasks));
    team.run(num_tasks, [&](int task, int) { ++counts[static_cast<std::size_t>(task)]; });
    EXPECT_EQ(std::count(counts.begin(), counts.end(), 1), num_tasks);
  }
}

TEST_P(ThreadTeamTest, EndsWithoutHavingRun) {
  const ThreadTeam team(GetParam());
  EXPECT_EQ(team.num_threads(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadTeamTest, ::testing::Values(1, 2, 3, 8));

}  // namespace
}  // namespace stenod::compute
