#include "app/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <stdexcept>

namespace stenod::app {
namespace {

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  end_fd_ = ::eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0 || end_fd_ < 0) throw std::runtime_error("no file descriptors are left to watch for signals");
  watcher_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(end_fd_, &one, sizeof(one));
  watcher_.join();
  ::close(signal_fd_);
  ::close(end_fd_);
}

void Interrupt::watch() {
  while (true) {
    std::array<pollfd, 2> files = {{{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}}};
    if (::poll(files.data(), files.size(), -1) < 0 && errno == EINTR) continue;
    if (files[1].revents != 0) return;
    signalfd_siginfo info = {};
    if (::read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    const int number = static_cast<int>(info.ssi_signo);
    if (signal_ != 0) {
      // Impatience: let the default action end the process.
      const sigset_t set = watched_signals();
      std::signal(number, SIG_DFL);
      pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      ::raise(number);
    }
    signal_ = number;
    source_.request_stop();
  }
}

}  // namespace stenod::app
