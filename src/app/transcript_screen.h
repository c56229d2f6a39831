#pragma once

#include <map>
#include <string>
#include <string_view>

#include "app/console.h"
#include "client/listen.h"

namespace stenod::app {

struct TranscriptOptions {
  bool json = false;      ///< the messages as they came, one a line
  bool words = false;     ///< each word of a final with its times
  bool channels = false;  ///< name the channel of each text
};

/// One line of at most `columns` for a terminal: the time, then as much of the end of `text` as fits. What follows the
/// `stable` prefix is dimmed.
std::string render_partial(double time_s, std::string_view text, std::string_view stable, int columns);

/// Finals on standard output. On a terminal also what is being said, as its last line, rewritten in place.
class TranscriptScreen final : public client::ListenObserver {
 public:
  TranscriptScreen(Console& console, const TranscriptOptions& options);
  ~TranscriptScreen() override;

  Status on_message(const client::LiveMessage& message, std::string_view raw) override;
  void on_tick(double sent_s) override;

 private:
  Status show(const client::Final& final);
  void erase();

  Console& console_;
  const TranscriptOptions options_;
  const int live_fd_;       ///< the terminal that shows the last line; -1: none
  const bool wraps_lines_;  ///< standard output is a terminal
  bool is_ready_ = false;
  std::map<int, client::Partial> partials_;  ///< of each channel, what is being said
  int latest_channel_ = 0;
  std::string line_;  ///< on the screen now
};

}  // namespace stenod::app
