#include "app/ordered_output.h"

#include <utility>

namespace stenod::app {

OrderedOutput::OrderedOutput(std::size_t num_files, std::function<void(FileOutput)> write, std::size_t max_held_bytes)
    : num_files_(num_files), write_(std::move(write)), max_held_bytes_(max_held_bytes) {}

std::optional<std::size_t> OrderedOutput::take() {
  std::unique_lock lock(mutex_);
  // Those who wait are woken: the file that all wait for was taken before, and its worker puts it without waiting.
  changed_.wait(lock, [this] { return is_stopped_ || held_bytes_ <= max_held_bytes_; });
  if (is_stopped_ || next_to_take_ == num_files_) return std::nullopt;
  return next_to_take_++;
}

void OrderedOutput::put(std::size_t file_index, FileOutput output) {
  std::unique_lock lock(mutex_);
  held_bytes_ += output.result.size();
  held_.emplace(file_index, std::move(output));
  if (is_writing_) return;  // whoever writes takes this one along
  is_writing_ = true;
  while (!held_.empty() && held_.begin()->first == next_to_write_) {
    FileOutput next = std::move(held_.extract(held_.begin()).mapped());
    const std::size_t size = next.result.size();
    lock.unlock();
    write_(std::move(next));
    lock.lock();
    held_bytes_ -= size;
    ++next_to_write_;
  }
  is_writing_ = false;
  changed_.notify_all();
}

void OrderedOutput::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
}

}  // namespace stenod::app
