#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"

namespace stenod::app {

/// `bytes` for a terminal: what is no UTF-8 becomes U+FFFD, control characters (of a file's name, say) are written as
/// \x1b.
std::string printable(std::string_view bytes);

/// Standard output for results; standard error for messages and, on a terminal, a progress line that is always the last
/// line there. Any thread may call.
class Console {
 public:
  /// `quiet`: never a progress line.
  explicit Console(bool quiet);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Writes all of it at once. Errors: kCancelled when whoever reads standard output has closed it, kDiskFull,
  /// kIoError.
  Status write_result(std::string_view text);

  // Messages are made printable.
  void note(std::string_view message);
  void warn(std::string_view message);
  void error(const Error& error);

  bool shows_progress() const { return shows_progress_; }
  /// Shows `render(width)` as the progress line, unless the last one is too fresh for a new one to be worth the effort.
  /// `render` is called with the console locked, so that lines appear in the order in which they were made.
  template <typename Render>
  void show_progress(const Render& render) {
    if (!shows_progress_) return;
    const std::lock_guard lock(mutex_);
    if (is_due()) draw(render(width()));
  }

 private:
  static int width();
  // With mutex_ held:
  bool is_due() const;
  void draw(std::string line);
  void erase();

  const bool shows_progress_;
  std::mutex mutex_;
  std::string line_;  ///< on the screen now
  std::chrono::steady_clock::time_point drawn_at_;
};

}  // namespace stenod::app
