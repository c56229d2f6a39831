#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace stenod::app {

/// Turns the first SIGINT or SIGTERM into a request to stop; a second one ends the process as if nobody had caught it.
/// SIGPIPE and SIGXFSZ are ignored: who writes to a closed pipe or beyond a file's size limit gets an error instead.
///
/// To be made in main(), before any other thread, for those inherit that the signals are blocked. One a process.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// The signal that came, or 0. Any thread.
  int signal() const { return signal_; }
  /// Also others may request the stop. Any thread.
  std::stop_source& source() { return source_; }
  std::stop_token token() const { return source_.get_token(); }

 private:
  void watch();

  std::stop_source source_;
  std::atomic<int> signal_ = 0;
  int signal_fd_ = -1;
  int end_fd_ = -1;
  std::thread watcher_;
};

}  // namespace stenod::app
