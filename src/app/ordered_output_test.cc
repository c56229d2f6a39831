#include "app/ordered_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace stenod::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(OrderedOutput, WritesEachAsSoonAsAllBeforeItAreThere) {
  std::vector<std::string> written;
  OrderedOutput output(3, [&](FileOutput file) { written.push_back(file.result); });
  EXPECT_EQ(output.take(), 0u);
  EXPECT_EQ(output.take(), 1u);
  EXPECT_EQ(output.take(), 2u);
  EXPECT_EQ(output.take(), std::nullopt);
  output.put(2, {"c", {}});
  EXPECT_THAT(written, IsEmpty());
  output.put(0, {"a", {}});
  EXPECT_THAT(written, ElementsAre("a"));
  output.put(1, {"b", {}});
  EXPECT_THAT(written, ElementsAre("a", "b", "c"));
}

TEST(OrderedOutput, BeginsNoFileWhileTooMuchIsHeld) {
  OrderedOutput output(
      4, [](const FileOutput&) {}, 10);
  ASSERT_EQ(output.take(), 0u);
  ASSERT_EQ(output.take(), 1u);
  output.put(1, {std::string(11, 'x'), {}});
  auto next = std::async(std::launch::async, [&] { return output.take(); });
  EXPECT_EQ(next.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  output.put(0, {"", {}});
  EXPECT_EQ(next.get(), 2u);
}

TEST(OrderedOutput, StopWakesWhoWaits) {
  OrderedOutput output(
      4, [](const FileOutput&) {}, 10);
  ASSERT_EQ(output.take(), 0u);
  ASSERT_EQ(output.take(), 1u);
  output.put(1, {std::string(11, 'x'), {}});
  auto next = std::async(std::launch::async, [&] { return output.take(); });
  output.stop();
  EXPECT_EQ(next.get(), std::nullopt);
}

TEST(OrderedOutput, ManyWorkers) {
  constexpr std::size_t kFiles = 2000;
  std::vector<std::string> written;
  std::atomic<int> num_writing = 0;
  OrderedOutput output(
      kFiles,
      [&](FileOutput file) {
        EXPECT_EQ(++num_writing, 1);
        written.push_back(std::move(file.result));
        --num_writing;
      },
      64);
  std::vector<std::jthread> workers;
  for (int i = 0; i < 8; ++i) {
    workers.emplace_back([&] {
      while (const auto index = output.take()) output.put(*index, {std::to_string(*index), {}});
    });
  }
  workers.clear();
  ASSERT_EQ(written.size(), kFiles);
  for (std::size_t i = 0; i < kFiles; ++i) ASSERT_EQ(written[i], std::to_string(i));
}

}  // namespace
}  // namespace stenod::app
