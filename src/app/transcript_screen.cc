#include "app/transcript_screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "app/progress.h"
#include "app/terminal_text.h"

namespace stenod::app {
namespace {

constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kNormal = "\x1b[0m";
constexpr int kMinColumns = 20;
constexpr int kUsualColumns = 80;
/// A full line would wrap when the terminal adds "^C" to it.
constexpr int kSpareColumns = 3;

int find_terminal() {
  const char* term = std::getenv("TERM");
  if (term != nullptr && std::string_view(term) == "dumb") return -1;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::isatty(fd) == 1) return fd;
  }
  return -1;
}

int width_of(int fd) {
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? std::max<int>(size.ws_col, kMinColumns)
                                                                : kUsualColumns;
}

void write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0) return;  // a terminal that is gone needs no last line
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string render_partial(double time_s, std::string_view text, std::string_view stable, int columns) {
  const std::string clock = time_s > 0 ? fmt::format("[{}]", clock_text(time_s)) : "";
  std::string out = fmt::format("{}{}{}", kDim, clock, kNormal);
  const std::size_t num_settled = text.starts_with(stable) ? stable.size() : 0;
  const std::string settled = printable(text.substr(0, num_settled));
  const std::string shown = settled + printable(text.substr(num_settled));
  if (shown.empty()) return out;
  const int room = columns - count_columns(clock) - 1;
  std::size_t from = tail_offset(shown, room);
  if (from > 0) from = tail_offset(shown, room - 1);
  out += from > 0 ? " …" : " ";
  if (from < settled.size()) out += settled.substr(from);
  return out += fmt::format("{}{}{}", kDim, std::string_view(shown).substr(std::max(from, settled.size())), kNormal);
}

TranscriptScreen::TranscriptScreen(Console& console, const TranscriptOptions& options)
    : console_(console),
      options_(options),
      live_fd_(options.json ? -1 : find_terminal()),
      wraps_lines_(::isatty(STDOUT_FILENO) == 1) {}

TranscriptScreen::~TranscriptScreen() { erase(); }

Status TranscriptScreen::on_message(const client::LiveMessage& message, std::string_view raw) {
  if (options_.json) return console_.write_result(std::string(raw) + '\n');
  if (const auto* partial = std::get_if<client::Partial>(&message)) {
    partials_[partial->channel] = *partial;
    latest_channel_ = partial->channel;
  } else if (const auto* final = std::get_if<client::Final>(&message)) {
    return show(*final);
  } else if (const auto* trouble = std::get_if<client::Trouble>(&message); trouble != nullptr && !trouble->is_error) {
    erase();
    console_.warn(trouble->message);
  } else if (std::holds_alternative<client::Ready>(message) && !std::exchange(is_ready_, true) && live_fd_ >= 0) {
    erase();
    write_to(live_fd_, fmt::format("{}Listening; Ctrl-C ends.{}\n", kDim, kNormal));
  }
  return {};
}

Status TranscriptScreen::show(const client::Final& final) {
  partials_.erase(final.channel);
  erase();
  std::string text = printable(final.text);
  if (options_.channels) text = fmt::format("{}: {}", final.channel + 1, text);
  if (wraps_lines_) text = wrap(text, width_of(STDOUT_FILENO) - 1);
  text += '\n';
  if (options_.words) {
    for (const client::FinalWord& word : final.words) {
      text +=
          fmt::format("  {:8.2f} {:8.2f} {:5.2f}  {}\n", word.start, word.end, word.probability, printable(word.word));
    }
  }
  return console_.write_result(text);
}

void TranscriptScreen::on_tick(double sent_s) {
  if (live_fd_ < 0 || !is_ready_) return;
  const auto latest = partials_.find(latest_channel_);
  const bool is_speaking = latest != partials_.end();
  const std::string line = render_partial(sent_s, is_speaking ? latest->second.text : "",
                                          is_speaking ? latest->second.stable : "", width_of(live_fd_) - kSpareColumns);
  if (line == line_) return;
  write_to(live_fd_, fmt::format("\r{}\x1b[K", line));
  line_ = line;
}

void TranscriptScreen::erase() {
  if (line_.empty()) return;
  write_to(live_fd_, "\r\x1b[K");
  line_.clear();
}

}  // namespace stenod::app
