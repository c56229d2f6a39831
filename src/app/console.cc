#include "app/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "text/utf8.h"

namespace stenod::app {
namespace {

constexpr auto kRedrawAfter = std::chrono::milliseconds(100);

bool is_capable_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

/// Returns 0 or an error number.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const text::Utf8Unit unit = text::read_utf8(bytes);
    const char32_t c = unit.code_point;
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      text::append_utf8(out, c);
    }
    bytes.remove_prefix(unit.size);
  }
  return out;
}

Console::Console(bool quiet) : shows_progress_(!quiet && is_capable_terminal()) {}

Console::~Console() { erase(); }

int Console::width() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

Status Console::write_result(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase();
  const int error_number = write_all(STDOUT_FILENO, text);
  if (error_number == 0) return {};
  if (error_number == EPIPE) return Error{ErrorCode::kCancelled, "standard output was closed"};
  return file_error("cannot write", "standard output", error_number);
}

void Console::note(std::string_view message) {
  const std::lock_guard lock(mutex_);
  erase();
  log::info("{}", printable(message));
}

void Console::warn(std::string_view message) {
  const std::lock_guard lock(mutex_);
  erase();
  log::warn("{}", printable(message));
}

void Console::error(const Error& error) {
  const std::lock_guard lock(mutex_);
  erase();
  log::error("{} ({})", printable(error.message), error_name(error.code));
}

bool Console::is_due() const { return std::chrono::steady_clock::now() - drawn_at_ >= kRedrawAfter; }

void Console::draw(std::string line) {
  line = printable(line);
  write_all(STDERR_FILENO, fmt::format("\r{}\x1b[K", line));
  line_ = std::move(line);
  drawn_at_ = std::chrono::steady_clock::now();
}

void Console::erase() {
  if (line_.empty()) return;
  write_all(STDERR_FILENO, "\r\x1b[K");
  line_.clear();
}

}  // namespace stenod::app
