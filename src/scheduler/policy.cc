#include "scheduler/policy.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace stenod::scheduler {
namespace {

int index_of(RequestClass c) { return static_cast<int>(c); }

// The order of waiting windows of one class.
bool goes_before(const WaitingWindow& a, const WaitingWindow& b) {
  return std::tuple(!a.is_repeat, a.deadline, a.arrival) < std::tuple(!b.is_repeat, b.deadline, b.arrival);
}

int usable_slots(RequestClass c, const Snapshot& snapshot, const Limits& limits) {
  const bool keep_reserve = snapshot.live_expected && !is_live(c);
  return snapshot.num_free_slots - (keep_reserve ? limits.reserved_live_slots : 0);
}

// The windows of class `c` that go into one group, at most `max_windows`, the first in order first.
void gather_group(RequestClass c, const Snapshot& snapshot, const Limits& limits, int max_windows,
                  std::vector<int>& chosen) {
  chosen.clear();
  for (int i = 0; i < static_cast<int>(snapshot.waiting.size()); ++i) {
    if (snapshot.waiting[i].request_class == c) chosen.push_back(i);
  }
  std::sort(chosen.begin(), chosen.end(),
            [&](int a, int b) { return goes_before(snapshot.waiting[a], snapshot.waiting[b]); });
  if (chosen.empty()) return;

  const int first_frames = snapshot.waiting[chosen.front()].num_frames;
  // A final that comes in meanwhile has to wait until the group is encoded.
  const int max_frames =
      c == RequestClass::kLivePartial ? std::max(kWellFilledFrames, first_frames) : limits.max_group_frames;
  int group_frames = 0;
  int num_taken = 0;
  const auto does_not_fit = [&](int i) {
    const int frames = snapshot.waiting[i].num_frames;
    const bool alike = frames <= 2 * first_frames && first_frames <= 2 * frames;
    if (!alike || num_taken == max_windows || group_frames + frames > max_frames) return true;
    ++num_taken;
    group_frames += frames;
    return false;
  };
  chosen.erase(std::remove_if(chosen.begin(), chosen.end(), does_not_fit), chosen.end());
}

bool worth_encoding(RequestClass c, const Snapshot& snapshot, const Limits& limits, std::span<const int> group) {
  if (c != RequestClass::kBatch || snapshot.active.empty()) return true;
  if (4 * usable_slots(c, snapshot, limits) >= limits.num_slots) return true;
  int frames = 0;
  for (const int i : group) frames += snapshot.waiting[i].num_frames;
  return frames >= kWellFilledFrames;
}

// Better classes first, but whoever has been left out goes up by a class every few steps.
void choose_step(const Snapshot& snapshot, const Limits& limits, std::vector<int>& chosen) {
  constexpr int kStepsPerClass = 4;
  const auto rank = [&](int i) {
    const ActiveSequence& sequence = snapshot.active[i];
    return std::tuple(index_of(sequence.request_class) - sequence.turns_waited / kStepsPerClass, -sequence.turns_waited,
                      i);
  };
  chosen.resize(snapshot.active.size());
  for (int i = 0; i < static_cast<int>(chosen.size()); ++i) chosen[i] = i;
  std::sort(chosen.begin(), chosen.end(), [&](int a, int b) { return rank(a) < rank(b); });
  int rows = 0;
  const auto does_not_fit = [&](int i) {
    if (rows + snapshot.active[i].num_rows > limits.max_rows) return true;
    rows += snapshot.active[i].num_rows;
    return false;
  };
  chosen.erase(std::remove_if(chosen.begin(), chosen.end(), does_not_fit), chosen.end());
}

}  // namespace

void plan_turn(const Snapshot& snapshot, const Limits& limits, Plan& plan) {
  plan.chosen.clear();
  std::optional<RequestClass> best_active;
  for (const ActiveSequence& sequence : snapshot.active) {
    if (!best_active || sequence.request_class < *best_active) best_active = sequence.request_class;
  }

  plan.kind = Plan::Kind::kEncode;
  for (int i = 0; i < kNumClasses; ++i) {
    if (snapshot.turns_passed_over[i] < kStarvationTurns || snapshot.num_free_slots <= 0) continue;
    gather_group(static_cast<RequestClass>(i), snapshot, limits, 1, plan.chosen);
    if (!plan.chosen.empty()) return;
  }

  for (int i = 0; i < kNumClasses; ++i) {
    const auto c = static_cast<RequestClass>(i);
    const int slots = usable_slots(c, snapshot, limits);
    if (slots <= 0) continue;
    const int distance = best_active ? i - index_of(*best_active) : 0;
    const bool yields = distance > 0;
    if (yields && snapshot.turns_passed_over[i] < patience(distance)) continue;
    gather_group(c, snapshot, limits, yields ? 1 : slots, plan.chosen);
    if (plan.chosen.empty()) continue;
    if (!yields && !worth_encoding(c, snapshot, limits, plan.chosen)) continue;
    return;
  }

  choose_step(snapshot, limits, plan.chosen);
  plan.kind = plan.chosen.empty() ? Plan::Kind::kIdle : Plan::Kind::kStep;
}

}  // namespace stenod::scheduler
