#include "base/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace stenod {

class ThreadPool::Impl {
 public:
  explicit Impl(std::size_t num_threads) {
    for (std::size_t i = 0; i < num_threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return is_closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds may post when it goes
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool is_closed_ = false;
  std::vector<std::thread> threads_;
};

ThreadPool::ThreadPool(std::size_t num_threads) : impl_(std::make_unique<Impl>(num_threads)) {}
ThreadPool::~ThreadPool() = default;
void ThreadPool::post(std::function<void()> task) { impl_->post(std::move(task)); }

struct Strand::State : std::enable_shared_from_this<Strand::State> {
  explicit State(ThreadPool& of) : pool(of) {}

  /// One task a turn, so that strands share the pool fairly.
  void run_one() {
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex);
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    thread = std::this_thread::get_id();
    task();
    task = nullptr;
    thread = std::thread::id();
    {
      const std::lock_guard lock(mutex);
      is_scheduled = !tasks.empty();
      if (!is_scheduled) return;
    }
    schedule();
  }
  void schedule() {
    pool.post([self = shared_from_this()] { self->run_one(); });
  }

  ThreadPool& pool;
  std::mutex mutex;
  std::deque<std::function<void()>> tasks;
  bool is_scheduled = false;  ///< the pool has, or runs, a task for it
  std::atomic<std::thread::id> thread;
};

Strand::Strand(ThreadPool& pool) : state_(std::make_shared<State>(pool)) {}

void Strand::post(std::function<void()> task) const {
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
    if (std::exchange(state_->is_scheduled, true)) return;
  }
  state_->schedule();
}

bool Strand::is_current() const { return state_->thread == std::this_thread::get_id(); }

}  // namespace stenod
