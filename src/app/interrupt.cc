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
#include <initializer_list>
#include <stdexcept>
#include <utility>

namespace stenod::app {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

/// Does to the process what the signal does when nobody watches.
void pass_on(int signal) {
  const sigset_t set = set_of({signal});
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t set = set_of({SIGINT, SIGTERM, SIGHUP});
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
    if (number == SIGHUP) {
      on_hangup();
      continue;
    }
    if (signal_ != 0) {
      // Impatience: let the default action end the process.
      std::signal(number, SIG_DFL);
      pass_on(number);
    }
    signal_ = number;
    source_.request_stop();
  }
}

void Interrupt::on_hangup() {
  if (!keeps_hangups_) {
    pass_on(SIGHUP);  // without setting the default: nohup has it ignored
    return;
  }
  const std::lock_guard lock(mutex_);
  has_hung_up_ = true;
  hung_up_.notify_one();
}

bool Interrupt::wait_for_hangup() {
  std::unique_lock lock(mutex_);
  hung_up_.wait(lock, token(), [&] { return has_hung_up_; });
  return std::exchange(has_hung_up_, false) && !token().stop_requested();
}

}  // namespace stenod::app
