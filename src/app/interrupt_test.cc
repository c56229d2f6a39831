#include "app/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace stenod::app {
namespace {

bool wait_for_stop(const Interrupt& interrupt) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!interrupt.token().stop_requested() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return interrupt.token().stop_requested();
}

class InterruptTest : public ::testing::TestWithParam<int> {};

TEST_P(InterruptTest, FirstSignalAsksToStop) {
  Interrupt interrupt;
  EXPECT_EQ(interrupt.signal(), 0);
  EXPECT_FALSE(interrupt.token().stop_requested());
  ::kill(::getpid(), GetParam());
  EXPECT_TRUE(wait_for_stop(interrupt));
  EXPECT_EQ(interrupt.signal(), GetParam());
}

TEST_P(InterruptTest, SecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Interrupt interrupt;
        ::kill(::getpid(), GetParam());
        wait_for_stop(interrupt);
        ::kill(::getpid(), GetParam());
        std::this_thread::sleep_for(std::chrono::seconds(20));
      },
      ::testing::KilledBySignal(GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(, InterruptTest, ::testing::Values(SIGINT, SIGTERM));

TEST(Interrupt, HangupEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Interrupt interrupt;
        ::kill(::getpid(), SIGHUP);
        std::this_thread::sleep_for(std::chrono::seconds(20));
      },
      ::testing::KilledBySignal(SIGHUP), "");
}

TEST(Interrupt, HangupStaysIgnoredWhereItWas) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::signal(SIGHUP, SIG_IGN);
        Interrupt interrupt;
        ::kill(::getpid(), SIGHUP);
        ::kill(::getpid(), SIGTERM);  // is read after it
        ::_exit(wait_for_stop(interrupt) ? 7 : 1);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST(Interrupt, KeptHangupsAreReportedUntilTheStop) {
  Interrupt interrupt;
  interrupt.keep_hangups();
  for (int i = 0; i < 3; ++i) {
    ::kill(::getpid(), SIGHUP);
    EXPECT_TRUE(interrupt.wait_for_hangup());
  }
  EXPECT_FALSE(interrupt.token().stop_requested());
  std::jthread stopping([&] { interrupt.source().request_stop(); });
  EXPECT_FALSE(interrupt.wait_for_hangup());
  EXPECT_EQ(interrupt.signal(), 0);
}

TEST(Interrupt, EndsWithoutASignal) {
  Interrupt interrupt;
  interrupt.source().request_stop();
  EXPECT_TRUE(interrupt.token().stop_requested());
  EXPECT_EQ(interrupt.signal(), 0);
}

}  // namespace
}  // namespace stenod::app
