#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace stenod::app {

/// What one file gives.
struct FileOutput {
  std::string result;                           ///< for standard output
  std::vector<std::function<void()>> messages;  ///< to be said when its turn comes
};

/// Hands out files to workers and gives out their results in the files' order, each as soon as it and all before it are
/// there. While more than `max_held_bytes` of results wait for an earlier file, no further file is begun. Any thread.
class OrderedOutput {
 public:
  /// `write` is called by one thread at a time, in order.
  OrderedOutput(std::size_t num_files, std::function<void(FileOutput)> write, std::size_t max_held_bytes = 64 << 20);

  /// The next file to work on; nothing when all are taken or after stop(). Blocks while too much is held.
  std::optional<std::size_t> take();
  /// The result of a file that was taken; to be called for each, exactly once.
  void put(std::size_t file_index, FileOutput output);
  /// No further file is begun.
  void stop();

 private:
  const std::size_t num_files_;
  const std::function<void(FileOutput)> write_;
  const std::size_t max_held_bytes_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_to_take_ = 0, next_to_write_ = 0;
  std::map<std::size_t, FileOutput> held_;
  std::size_t held_bytes_ = 0;
  bool is_writing_ = false;
  bool is_stopped_ = false;
};

}  // namespace stenod::app
