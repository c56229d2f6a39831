#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace stenod {

/// A fixed number of threads that run tasks. Tasks must not throw, and should not wait for long.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t num_threads);
  /// Runs what was posted, then ends the threads. Nothing may be posted any more.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Any thread.
  void post(std::function<void()> task);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Runs tasks on a pool one at a time, in the order in which they were posted: what a strand owns needs no lock. Copies
/// are the same strand. The pool must outlive it.
///
/// It holds as many tasks as are posted, so whoever posts has to be bounded: by asking for one message at a time, or by
/// having one request at work.
class Strand {
 public:
  explicit Strand(ThreadPool& pool);

  /// Any thread.
  void post(std::function<void()> task) const;
  bool is_current() const;  ///< whether the calling thread is running one of its tasks

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace stenod
