#include "compute/thread_team.h"

#include <immintrin.h>
#include <omp.h>

#include <cassert>

namespace stenod::compute {
namespace {

constexpr int kTaskBits = 20;
constexpr std::uint64_t kTaskMask = (std::uint64_t{1} << kTaskBits) - 1;
// About 50 microseconds: longer than any pause inside a decoder step, shorter than a person notices on a shared core.
constexpr int kSpins = 2000;

std::uint64_t next_task(std::uint64_t state) { return state & kTaskMask; }
std::uint64_t task_count(std::uint64_t state) { return (state >> kTaskBits) & kTaskMask; }
bool has_task(std::uint64_t state) { return next_task(state) < task_count(state); }

}  // namespace

void keep_openmp_single_threaded() { omp_set_num_threads(1); }

ThreadTeam::ThreadTeam(int num_threads) {
  assert(num_threads >= 1);
  workers_.reserve(static_cast<std::size_t>(num_threads - 1));
  for (int thread = 1; thread < num_threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true);
  wake_ups_.fetch_add(1);
  wake_ups_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::run_loop(Loop loop, int num_tasks) {
  assert(num_tasks >= 0 && num_tasks <= kMaxTasks);
  keep_openmp_single_threaded();
  if (num_tasks <= 1 || workers_.empty()) {
    for (int task = 0; task < num_tasks; ++task) loop.call(loop.context, task, 0);
    return;
  }
  loop_ = loop;
  num_done_.store(0, std::memory_order_relaxed);
  const std::uint64_t epoch = (state_.load(std::memory_order_relaxed) >> (2 * kTaskBits)) + 1;
  state_.store((epoch << (2 * kTaskBits)) | (static_cast<std::uint64_t>(num_tasks) << kTaskBits));
  if (num_sleeping_.load() > 0) {
    wake_ups_.fetch_add(1);
    wake_ups_.notify_all();
  }
  while (run_one_task(0)) {
  }
  // The rest is being worked on by threads that run: at most one task's time.
  for (int spins = 0; num_done_.load(std::memory_order_acquire) < num_tasks; ++spins) {
    _mm_pause();
    if (spins % kSpins == kSpins - 1) std::this_thread::yield();
  }
}

bool ThreadTeam::run_one_task(int thread) {
  if (!has_task(state_.load(std::memory_order_relaxed))) return false;
  const std::uint64_t taken = state_.fetch_add(1, std::memory_order_acquire);
  if (!has_task(taken)) return false;
  loop_.call(loop_.context, static_cast<int>(next_task(taken)), thread);
  num_done_.fetch_add(1, std::memory_order_release);
  return true;
}

void ThreadTeam::work(int thread) {
  keep_openmp_single_threaded();
  int spins = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (run_one_task(thread)) {
      spins = 0;
      continue;
    }
    _mm_pause();
    if (++spins < kSpins) continue;
    // Announce the sleep, then look once more: run_loop() publishes first and looks for sleepers second.
    const std::uint32_t seen = wake_ups_.load();
    num_sleeping_.fetch_add(1);
    if (!has_task(state_.load()) && !stopping_.load()) wake_ups_.wait(seen);
    num_sleeping_.fetch_sub(1);
    spins = 0;
  }
}

}  // namespace stenod::compute
