#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace stenod::compute {

/// oneDNN is only called by our own threads, and must not start OpenMP's. A setting of the calling thread.
void keep_openmp_single_threaded();

/// A fixed team of threads that runs many short parallel loops, one after another.
///
/// The calling thread works along as thread 0. A decoder step is some fifty loops of a few microseconds each, so
/// waiting threads spin for a moment before they sleep, and a loop never waits for a thread that has not woken up in
/// time to take a task. One thread at a time may call run(); tasks may not call it.
class ThreadTeam {
 public:
  /// `num_threads` including the caller, at least 1.
  explicit ThreadTeam(int num_threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `body(task, thread)` once for every task in [0, num_tasks), each on some thread in [0, num_threads()), and
  /// returns when all are done. Tasks start in order. At most kMaxTasks. `body` must not throw.
  template <typename Body>
  void run(int num_tasks, const Body& body) {
    run_loop(
        {[](const void* context, int task, int thread) { (*static_cast<const Body*>(context))(task, thread); }, &body},
        num_tasks);
  }

  /// Half of what the counter holds, as late threads count past the end.
  static constexpr int kMaxTasks = (1 << 19) - 1;

 private:
  struct Loop {
    void (*call)(const void* context, int task, int thread) = nullptr;
    const void* context = nullptr;
  };

  void run_loop(Loop loop, int num_tasks);
  bool run_one_task(int thread);
  void work(int thread);

  // The loop in progress: epoch, number of tasks and next task in one word, so that taking a task and knowing that it
  // is a valid task of which loop are one atomic operation. A taken task keeps its loop alive until it is done.
  std::atomic<std::uint64_t> state_{0};
  Loop loop_;
  alignas(64) std::atomic<int> num_done_{0};
  alignas(64) std::atomic<int> num_sleeping_{0};
  std::atomic<std::uint32_t> wake_ups_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace stenod::compute
