#include "scheduler/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace stenod::scheduler {
namespace {

using ::testing::ElementsAre;
using Kind = Plan::Kind;

constexpr auto kFinal = RequestClass::kLiveFinal;
constexpr auto kPartial = RequestClass::kLivePartial;
constexpr auto kInteractive = RequestClass::kInteractive;
constexpr auto kBatch = RequestClass::kBatch;

struct Turn {
  std::vector<WaitingWindow> waiting = {};
  std::vector<ActiveSequence> active = {};
  int free_slots = 16;
  bool live_expected = false;
  std::array<int, kNumClasses> passed_over{};
};

Plan plan(const Turn& turn, const Limits& limits = {}) {
  Plan result;
  plan_turn({turn.waiting, turn.active, turn.free_slots, turn.live_expected, turn.passed_over}, limits, result);
  return result;
}

WaitingWindow window(RequestClass c, int frames, std::uint64_t arrival, bool is_repeat = false) {
  return {.request_class = c, .num_frames = frames, .is_repeat = is_repeat, .arrival = arrival};
}

TEST(Policy, HasNothingToDoWithoutWork) {
  EXPECT_EQ(plan({}).kind, Kind::kIdle);
  EXPECT_EQ(plan({.waiting = {window(kBatch, 480, 1)}, .free_slots = 0}).kind, Kind::kIdle);
}

TEST(Policy, EncodesTheBetterClassFirstAndByItself) {
  const auto p = plan(
      {.waiting = {window(kBatch, 480, 1), window(kPartial, 480, 2), window(kFinal, 480, 3), window(kFinal, 400, 4)}});
  EXPECT_EQ(p.kind, Kind::kEncode);
  EXPECT_THAT(p.chosen, ElementsAre(2, 3));
}

TEST(Policy, OrdersOneClassByRepeatThenDeadlineThenArrival) {
  auto urgent = window(kFinal, 480, 5);
  urgent.deadline = 10;
  auto less_urgent = window(kFinal, 480, 1);
  less_urgent.deadline = 20;
  const auto p = plan(
      {.waiting = {window(kFinal, 480, 3), window(kFinal, 480, 2), less_urgent, urgent, window(kFinal, 960, 9, true)}});
  EXPECT_THAT(p.chosen, ElementsAre(4, 3, 2, 1, 0));
}

TEST(Policy, KeepsGroupsOfPartialsShortBecauseFinalsWaitForThem) {
  std::vector<WaitingWindow> waiting;
  for (std::uint64_t i = 0; i < 8; ++i) waiting.push_back(window(kPartial, 400, i));
  EXPECT_THAT(plan({.waiting = waiting}).chosen, ElementsAre(0, 1));
  waiting.front().num_frames = 1400;  // more than fills a group, but it has to be encoded some time
  EXPECT_THAT(plan({.waiting = waiting}).chosen, ElementsAre(0));
}

TEST(Policy, FillsAGroupUpToItsFramesAndSlots) {
  const std::vector<WaitingWindow> waiting = {window(kBatch, 1400, 1), window(kBatch, 1400, 2),
                                              window(kBatch, 1400, 3)};
  EXPECT_THAT(plan({.waiting = waiting}).chosen, ElementsAre(0, 1));
  EXPECT_THAT(plan({.waiting = waiting, .free_slots = 1}).chosen, ElementsAre(0));
}

TEST(Policy, GroupsHoldLikeLengths) {
  const auto p = plan({.waiting = {window(kBatch, 400, 1), window(kBatch, 1500, 2), window(kBatch, 801, 3),
                                   window(kBatch, 800, 4), window(kBatch, 200, 5), window(kBatch, 199, 6)}});
  EXPECT_THAT(p.chosen, ElementsAre(0, 3, 4));
}

TEST(Policy, LiveWindowsAreEncodedBeforeBatchSequencesGoOn) {
  const auto p =
      plan({.waiting = {window(kFinal, 200, 1)}, .active = {{kBatch, 1, 0}}, .free_slots = 1, .live_expected = true});
  EXPECT_EQ(p.kind, Kind::kEncode);
}

TEST(Policy, AWindowYieldsToSequencesOfABetterClassForAWhile) {
  struct Case {
    RequestClass active, waiting;
    int patience;
  };
  for (const Case& c : {Case{kFinal, kPartial, 4}, Case{kFinal, kInteractive, 16}, Case{kFinal, kBatch, 64},
                        Case{kPartial, kBatch, 16}, Case{kInteractive, kBatch, 4}}) {
    Turn turn{.waiting = {window(c.waiting, 400, 1), window(c.waiting, 400, 2)}, .active = {{c.active, 1, 0}}};
    auto& passed_over = turn.passed_over[static_cast<std::size_t>(c.waiting)];
    passed_over = c.patience - 1;
    EXPECT_EQ(plan(turn).kind, Kind::kStep);
    passed_over = c.patience;
    const auto p = plan(turn);
    EXPECT_EQ(p.kind, Kind::kEncode);
    EXPECT_THAT(p.chosen, ElementsAre(0));  // alone: the better class waits for one window at most
  }
}

TEST(Policy, KeepsSlotsForLiveWorkOnlyWhileItIsExpected) {
  Turn turn{.waiting = {window(kBatch, 1500, 1)}, .active = {{kBatch, 1, 0}}, .free_slots = 2};
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
  turn.live_expected = true;
  EXPECT_EQ(plan(turn).kind, Kind::kStep);
  turn.free_slots = 3;
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
  turn.free_slots = 2;
  turn.waiting = {window(kPartial, 1500, 1)};
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
}

TEST(Policy, ShortBatchWindowsWaitForAWellFilledGroup) {
  Turn turn{.waiting = {window(kBatch, 400, 1), window(kBatch, 400, 2), window(kBatch, 400, 3)},
            .active = {{kBatch, 1, 0}},
            .free_slots = 2};
  EXPECT_EQ(plan(turn).kind, Kind::kStep);
  turn.free_slots = 3;  // 1200 frames
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
  turn.waiting.resize(1);
  EXPECT_EQ(plan(turn).kind, Kind::kStep);
  turn.free_slots = 4;  // a quarter of the slots is free
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
  turn.free_slots = 1;
  turn.active.clear();  // nothing else to do
  EXPECT_EQ(plan(turn).kind, Kind::kEncode);
}

TEST(Policy, LongBatchWindowsRefillASlotAtOnce) {
  EXPECT_EQ(plan({.waiting = {window(kBatch, 1500, 1)}, .active = {{kBatch, 1, 0}}, .free_slots = 1}).kind,
            Kind::kEncode);
}

TEST(Policy, StarvationHasABound) {
  Turn turn{.waiting = {window(kFinal, 400, 9), window(kBatch, 400, 1), window(kBatch, 400, 2)},
            .active = {{kFinal, 1, 0}},
            .free_slots = 1,
            .live_expected = true};
  turn.passed_over[3] = kStarvationTurns - 1;
  EXPECT_THAT(plan(turn).chosen, ElementsAre(0));
  turn.passed_over[3] = kStarvationTurns;
  EXPECT_THAT(plan(turn).chosen, ElementsAre(1));
}

TEST(Policy, AllSequencesStepTogether) {
  const auto p = plan({.active = {{kBatch, 4, 0}, {kFinal, 1, 0}, {kInteractive, 1, 0}}, .free_slots = 0});
  EXPECT_EQ(p.kind, Kind::kStep);
  EXPECT_THAT(p.chosen, ElementsAre(1, 2, 0));
}

TEST(Policy, RowsAreLimitedAndGoToTheBetterClass) {
  const auto p = plan({.active = {{kBatch, 1, 0}, {kFinal, 4, 0}, {kBatch, 1, 0}}, .free_slots = 0}, {.max_rows = 5});
  EXPECT_THAT(p.chosen, ElementsAre(1, 0));
}

TEST(Policy, ASequenceThatWasLeftOutOftenGoesFirst) {
  const auto p = plan({.active = {{kFinal, 1, 0}, {kBatch, 1, 16}}, .free_slots = 0}, {.max_rows = 1});
  EXPECT_THAT(p.chosen, ElementsAre(1));
}

// The policy alone, with a toy device: turns are counted, nothing runs.
struct Simulation {
  struct Running {
    RequestClass request_class;
    int steps_left;
    int turns_waited;
  };

  Limits limits;
  std::vector<WaitingWindow> waiting = {};
  std::vector<Running> running;
  std::array<int, kNumClasses> passed_over{};
  std::array<int, kNumClasses> finished{};
  bool live_expected = false;
  int num_steps = 0;
  std::int64_t rows_stepped = 0;
  std::uint64_t arrivals = 0;

  void add(RequestClass c, int frames) { waiting.push_back(window(c, frames, ++arrivals)); }

  Plan turn(int steps_of_new_ones) {
    std::vector<ActiveSequence> active;
    for (const Running& r : running) active.push_back({r.request_class, 1, r.turns_waited});
    Plan p;
    plan_turn({waiting, active, limits.num_slots - static_cast<int>(running.size()), live_expected, passed_over},
              limits, p);
    std::array<bool, kNumClasses> served{};
    if (p.kind == Kind::kEncode) {
      for (const int i : p.chosen) {
        running.push_back({waiting[i].request_class, steps_of_new_ones, 0});
        served[static_cast<std::size_t>(waiting[i].request_class)] = true;
      }
      auto doomed = p.chosen;
      std::sort(doomed.rbegin(), doomed.rend());
      for (const int i : doomed) waiting.erase(waiting.begin() + i);
    } else if (p.kind == Kind::kStep) {
      ++num_steps;
      rows_stepped += static_cast<std::int64_t>(p.chosen.size());
      for (Running& r : running) ++r.turns_waited;
      for (const int i : p.chosen) {
        running[i].turns_waited = 0;
        if (--running[i].steps_left == 0) ++finished[static_cast<std::size_t>(running[i].request_class)];
      }
      std::erase_if(running, [](const Running& r) { return r.steps_left == 0; });
    }
    for (std::size_t c = 0; c < kNumClasses; ++c) {
      const bool waits = std::any_of(waiting.begin(), waiting.end(), [&](const WaitingWindow& w) {
        return static_cast<std::size_t>(w.request_class) == c;
      });
      passed_over[c] = waits && !served[c] ? passed_over[c] + 1 : 0;
    }
    EXPECT_LE(running.size(), static_cast<std::size_t>(limits.num_slots));
    return p;
  }
};

TEST(PolicySimulation, BatchWorkAloneKeepsTheSlotsFull) {
  for (const int frames : {400, 1500}) {
    Simulation s;
    for (int i = 0; i < 200; ++i) s.add(kBatch, frames);
    int turns = 0;
    while (s.finished[3] < 200) {
      s.turn(20 + turns % 37);
      ASSERT_LT(++turns, 10000);
    }
    EXPECT_GT(static_cast<double>(s.rows_stepped) / s.num_steps, 13.0) << frames;
  }
}

TEST(PolicySimulation, LiveWindowsNeverWaitForBatchSlotsAndBatchGoesOn) {
  Simulation s;
  s.live_expected = true;
  for (int i = 0; i < 1000; ++i) s.add(kBatch, 1500);
  for (int turn = 0; turn < 3000; ++turn) {
    if (turn % 40 == 0) s.add(kFinal, 300);
    s.turn(25);
    const auto waiting_finals = std::count_if(s.waiting.begin(), s.waiting.end(),
                                              [](const WaitingWindow& w) { return w.request_class == kFinal; });
    ASSERT_EQ(waiting_finals, 0) << "turn " << turn;
  }
  EXPECT_GE(s.finished[0], 73);
  EXPECT_GE(s.finished[3], 100);
}

TEST(PolicySimulation, EveryClassIsServedUnderAnyOverload) {
  Simulation s;
  s.limits.num_slots = 4;
  s.live_expected = true;
  int longest = 0;
  for (int turn = 0; turn < 5000; ++turn) {
    for (const auto c : {kFinal, kPartial, kInteractive, kBatch}) {
      if (s.waiting.size() < 100) s.add(c, 300);
    }
    s.turn(10);
    longest = std::max(longest, *std::max_element(s.passed_over.begin(), s.passed_over.end()));
  }
  EXPECT_LT(longest, kStarvationTurns + 50);
  for (const int n : s.finished) EXPECT_GT(n, 10);
}

}  // namespace
}  // namespace stenod::scheduler
