#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/slot_table.h"
#include "engine/window_task.h"
#include "scheduler/policy.h"

namespace stenod::engine {

/// The engine's thread and all that it owns. Public functions: any thread. Everything from run() on: its own thread,
/// which alone touches what stands below "the thread's own".
class Loop {
 public:
  Loop(std::unique_ptr<whisper::Runner> runner, Model model, EngineOptions options);
  ~Loop() { stop(StopMode::kCancel); }

  Status submit(Request request, Callback callback);
  void stop(StopMode mode);
  Statistics statistics() const;

 private:
  using TaskPtr = std::unique_ptr<WindowTask>;

  Status check(const Request& request) const;
  Status check_search(const whisper::SearchOptions& search) const;
  Status check_known_text(const whisper::DecodingOptions& options) const;

  void run();
  bool take_inbox();
  void end_all(const Error& error);
  void end_overdue();
  void run_turn();
  void make_snapshot();
  void count_passed_over();
  void count_tasks();
  void encode_group(std::span<const int> chosen);
  void step(std::span<const int> chosen);
  Status accept_logits(WindowTask& task, int first_row);
  void conclude_finished();
  Status start_decoding(WindowTask& task) const;
  Status decode_warmer(WindowTask& task);
  void limit_text(WindowTask& task) const;
  void count_live(double seconds, const std::array<double, scheduler::kNumClasses>& work_of);
  void answer(TaskPtr task, Result<WindowResult> outcome);

  const std::unique_ptr<whisper::Runner> runner_;
  const Model model_;
  const int max_queued_;
  const scheduler::Limits limits_;

  std::mutex mutex_;  // inbox_, stop_mode_
  std::condition_variable wake_;
  std::vector<TaskPtr> inbox_;
  std::optional<StopMode> stop_mode_;
  std::atomic<int> num_queued_ = 0;  // grows under mutex_ only
  std::uint64_t num_arrivals_ = 0;

  mutable std::mutex statistics_mutex_;
  Statistics statistics_;

  // The thread's own.
  std::vector<TaskPtr> waiting_;
  std::vector<TaskPtr> active_;
  SlotTable slots_;
  Clock::time_point live_expected_until_ = Clock::time_point::min();
  std::array<int, scheduler::kNumClasses> turns_passed_over_{};
  std::array<bool, scheduler::kNumClasses> was_encoded_{};
  // Scratch, kept from turn to turn so that a turn does not allocate.
  scheduler::Plan plan_;
  std::vector<scheduler::WaitingWindow> waiting_view_;
  std::vector<scheduler::ActiveSequence> active_view_;
  std::vector<float> features_;  // [2 * max_group_frames, num_mels]
  std::vector<whisper::EncodeWindow> windows_;
  std::vector<TaskPtr> group_;
  std::vector<whisper::StepRow> rows_;

  std::mutex join_mutex_;
  std::thread thread_;  // last: everything else is there when it starts
};

}  // namespace stenod::engine
