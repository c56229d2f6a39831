#include "api/file_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace stenod::api {

FileService::FileService(FileServiceOptions options) : options_(options) {
  for (int i = 0; i < options_.max_concurrent; ++i) threads_.emplace_back([this] { work(); });
  threads_.emplace_back([this] { watch(); });
}

FileService::~FileService() {
  stop(Clock::now());
  for (std::thread& thread : threads_) thread.join();
}

Status FileService::submit(FileTask task) {
  auto job = std::make_unique<Job>(Job{std::move(task), Clock::now() + options_.timeout});
  std::vector<std::unique_ptr<Job>> hopeless;
  Status accepted;
  {
    const std::lock_guard lock(mutex_);
    hopeless = take_hopeless(Clock::now());
    accepted = accepts_locked();
    if (accepted) queue_.push_back(std::move(job));
  }
  changed_.notify_all();
  for (const auto& other : hopeless) other->task.on_done(error_of(*other));
  return accepted;
}

Status FileService::accepts() const {
  const std::lock_guard lock(mutex_);
  return accepts_locked();
}

Status FileService::accepts_locked() const {
  if (closed_) return Error{ErrorCode::kShuttingDown, "the server is shutting down and takes no new files", ""};
  const auto num_waiting =
      std::count_if(queue_.begin(), queue_.end(), [](const auto& job) { return !job->task.stop.stop_requested(); });
  if (num_waiting + std::ssize(active_) < options_.max_concurrent + options_.max_queued) return {};
  return Error{ErrorCode::kOverloaded,
               fmt::format("{} files are being transcribed and {} wait, which is the most; try again later",
                           active_.size(), num_waiting),
               ""};
}

FileService::Load FileService::load() const {
  const std::lock_guard lock(mutex_);
  return {static_cast<int>(active_.size()), static_cast<int>(queue_.size())};
}

void FileService::stop(Clock::time_point deadline) {
  std::deque<std::unique_ptr<Job>> refused;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    refused.swap(queue_);
    stop_deadline_ = std::min(deadline, stop_deadline_.value_or(deadline));
  }
  changed_.notify_all();
  for (const auto& job : refused) {
    job->reason = ErrorCode::kShuttingDown;
    job->task.on_done(error_of(*job));
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return active_.empty(); });
}

void FileService::work() {
  while (true) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      active_.push_back(job.get());
    }
    changed_.notify_all();  // whoever watches has one more to watch
    run(*job);
    {
      const std::lock_guard lock(mutex_);
      active_.remove(job.get());
    }
    changed_.notify_all();
  }
}

void FileService::run(Job& job) {
  FileTask& task = job.task;
  const std::stop_callback on_stop(task.stop, [&job] { job.stop.request_stop(); });
  auto result =
      transcribe::FileTranscriber(*task.recogniser)
          .transcribe(task.audio->path(), task.options, task.on_progress, job.stop.get_token(), task.on_segment);
  task.audio.reset();
  const bool is_whole = result ? !result->transcript.interrupted : result.error().code != ErrorCode::kCancelled;
  if (job.stop.stop_requested() && !is_whole) {
    const std::lock_guard lock(mutex_);
    // A server that ends may have told the client's token before the service's own deadline.
    if (!job.reason && closed_) job.reason = ErrorCode::kShuttingDown;
    result = error_of(job);
  }
  task.on_done(std::move(result));
}

/// Gives up what is late, so that no wait is without end.
void FileService::watch() {
  std::unique_lock lock(mutex_);
  while (!closed_ || !active_.empty()) {
    auto next = stop_deadline_.value_or(Clock::time_point::max());
    for (const auto& job : queue_) next = std::min(next, job->deadline);
    for (const Job* job : active_) {
      if (!job->reason) next = std::min(next, job->deadline);
    }
    // One that is over stays in sight until everybody is told.
    const bool all_told = std::all_of(active_.begin(), active_.end(), [](const Job* job) { return job->reason; });
    if (next == Clock::time_point::max() || (stop_deadline_ && all_told)) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
    const auto now = Clock::now();
    auto hopeless = take_hopeless(now);
    std::vector<std::stop_source> late;
    for (Job* job : active_) {
      if (job->reason) continue;
      if (now >= job->deadline) {
        job->reason = ErrorCode::kDeadlineExceeded;
      } else if (stop_deadline_ && now >= *stop_deadline_) {
        job->reason = ErrorCode::kShuttingDown;
      } else {
        continue;
      }
      late.push_back(job->stop);
    }
    lock.unlock();
    for (std::stop_source& stop : late) stop.request_stop();
    for (const auto& job : hopeless) job->task.on_done(error_of(*job));
    lock.lock();
  }
}

std::vector<std::unique_ptr<FileService::Job>> FileService::take_hopeless(Clock::time_point now) {
  for (const auto& job : queue_) {
    if (now >= job->deadline) job->reason = ErrorCode::kDeadlineExceeded;
  }
  const auto first = std::stable_partition(
      queue_.begin(), queue_.end(), [](const auto& job) { return !job->reason && !job->task.stop.stop_requested(); });
  std::vector<std::unique_ptr<Job>> taken(std::make_move_iterator(first), std::make_move_iterator(queue_.end()));
  queue_.erase(first, queue_.end());
  return taken;
}

Error FileService::error_of(const Job& job) const {
  switch (job.reason.value_or(ErrorCode::kCancelled)) {
    case ErrorCode::kDeadlineExceeded:
      return {
          ErrorCode::kDeadlineExceeded,
          fmt::format("the file was not done after {} s, the most that a request may take", options_.timeout.count()),
          ""};
    case ErrorCode::kShuttingDown:
      return {ErrorCode::kShuttingDown, "the server is shutting down", ""};
    default:
      return {ErrorCode::kCancelled, "nobody waits for the answer any more", ""};
  }
}

}  // namespace stenod::api
