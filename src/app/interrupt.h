#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace stenod::app {

/// Turns the first SIGINT or SIGTERM into a request to stop; a second one ends the process as if nobody had caught it.
/// SIGHUP ends the process at once, unless a command wants it as a request to read its files again.
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

  /// From now on SIGHUP is kept for wait_for_hangup().
  void keep_hangups() { keeps_hangups_ = true; }
  /// Waits for a SIGHUP since the last call, of several for one; false: for the request to stop. One thread.
  bool wait_for_hangup();

 private:
  void watch();
  void on_hangup();

  std::stop_source source_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> keeps_hangups_ = false;
  std::mutex mutex_;
  std::condition_variable_any hung_up_;
  bool has_hung_up_ = false;  ///< and nobody was told yet
  int signal_fd_ = -1;
  int end_fd_ = -1;
  std::thread watcher_;
};

}  // namespace stenod::app
