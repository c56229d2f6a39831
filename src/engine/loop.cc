#include "engine/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <utility>

#include "audio/log_mel.h"

namespace stenod::engine {
namespace {

// Live streams ask every second or so; after this long without them their slots may be used.
constexpr auto kLiveExpected = std::chrono::seconds(10);

std::size_t index_of(scheduler::RequestClass c) { return static_cast<std::size_t>(c); }

Error invalid(std::string message, std::string param) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(param)};
}

/// A window's work on the loop's thread, where nobody else catches what standard containers or a text function throw.
template <typename Work>
auto safely(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "no memory for a window's text"};
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kInternal, fmt::format("a window's text could not be made: {}", exception.what())};
  }
}

}  // namespace

Loop::Loop(std::unique_ptr<whisper::Runner> runner, Model model, EngineOptions options)
    : runner_(std::move(runner)),
      model_(std::move(model)),
      max_queued_(options.max_queued),
      limits_{.num_slots = runner_->limits().num_slots,
              .max_rows = runner_->limits().max_rows,
              .max_group_frames = runner_->limits().max_group_frames,
              .reserved_live_slots = std::clamp(options.reserved_live_slots, 0, runner_->limits().num_slots - 1)},
      slots_(runner_->limits().num_slots),
      features_(static_cast<std::size_t>(runner_->limits().max_group_frames) * 2 * runner_->dims().num_mels) {
  statistics_.steps_by_rows.resize(static_cast<std::size_t>(limits_.max_rows) + 1);
  thread_ = std::thread([this] { run(); });
}

Status Loop::check(const Request& request) const {
  if (!request.audio) return invalid("there is no audio", "audio");
  const audio::LogMel& mel = *request.audio;
  const int num_mels = runner_->dims().num_mels;
  if (mel.num_mels != num_mels) {
    return invalid(fmt::format("the audio has {} mel bins, the model takes {}", mel.num_mels, num_mels), "audio");
  }
  if (mel.num_frames < 1 || mel.num_frames > audio::kMaxWindowFrames ||
      mel.values.size() != static_cast<std::size_t>(mel.num_frames) * mel.num_mels) {
    return invalid(fmt::format("a window has 1 to {} frames of {} values; this one says {} frames and has {} values",
                               audio::kMaxWindowFrames, num_mels, mel.num_frames, mel.values.size()),
                   "audio");
  }
  const auto& options = request.options;
  const auto& languages = model_.tokens.languages;
  if (options.language_token &&
      std::find(languages.begin(), languages.end(), *options.language_token) == languages.end()) {
    return invalid(fmt::format("token {} is not a language of this model", *options.language_token), "language");
  }
  if (options.task == whisper::Task::kTranslate && !model_.tokens.multilingual()) {
    return invalid("an English-only model does not translate; use a multilingual one", "task");
  }
  if (options.max_tokens < 1) return invalid("max_tokens must be at least 1", "max_tokens");
  STENOD_RETURN_IF_ERROR(check_search(options.search));
  if (!(options.max_initial_timestamp_s >= 0)) {
    return invalid("max_initial_timestamp_s must not be negative", "max_initial_timestamp_s");
  }
  STENOD_RETURN_IF_ERROR(check_known_text(options));
  if (options.word_times && runner_->num_alignment_heads() == 0) {
    return Error{ErrorCode::kNotSupported, "the model's configuration names no alignment heads: no word times",
                 "word_timestamps"};
  }
  return {};
}

Status Loop::check_search(const whisper::SearchOptions& search) const {
  const int most = std::min(runner_->limits().max_branches, whisper::kMaxBranches);
  if (search.beam_size < 1 || search.beam_size > most) {
    return invalid(fmt::format("beam_size {}: expected 1 to {}", search.beam_size, most), "beam_size");
  }
  const auto& temperatures = search.temperatures;
  if (temperatures.empty()) return invalid("there is no temperature", "temperature");
  if (temperatures.size() > whisper::kMaxTemperatures) {
    return invalid(fmt::format("temperature: expected at most {}", whisper::kMaxTemperatures), "temperature");
  }
  for (const float temperature : temperatures) {
    if (!(temperature >= 0) || !std::isfinite(temperature)) {
      return invalid(fmt::format("temperature {}: expected 0 or more", temperature), "temperature");
    }
    if (temperature > 0 && (search.best_of < 1 || search.best_of > most)) {
      return invalid(fmt::format("best_of {}: expected 1 to {}", search.best_of, most), "best_of");
    }
  }
  if (!(search.patience > 0) || !std::isfinite(search.patience)) {
    return invalid(fmt::format("patience {}: expected more than 0", search.patience), "patience");
  }
  if (!std::isfinite(search.length_penalty)) return invalid("length_penalty: expected a number", "length_penalty");
  if (!(search.repetition_penalty > 0) || !std::isfinite(search.repetition_penalty)) {
    return invalid(fmt::format("repetition_penalty {}: expected more than 0", search.repetition_penalty),
                   "repetition_penalty");
  }
  if (search.no_repeat_ngram_size < 0) {
    return invalid(fmt::format("no_repeat_ngram_size {}: expected 0 or more", search.no_repeat_ngram_size),
                   "no_repeat_ngram_size");
  }
  return {};
}

Status Loop::check_known_text(const whisper::DecodingOptions& options) const {
  const int half = runner_->dims().max_text_positions / 2;
  for (const auto* tokens : {&options.prompt, &options.prefix, &options.draft}) {
    const char* name = tokens == &options.prompt ? "prompt" : tokens == &options.prefix ? "prefix" : "draft";
    const auto most = static_cast<std::size_t>(tokens == &options.prompt ? half - 1 : half);
    if (tokens->size() > most) {
      return invalid(fmt::format("{}: {} tokens are too many, this model takes {}", name, tokens->size(), most), name);
    }
    for (const int token : *tokens) {
      // What was said before may stand there with its timestamps.
      const bool is_time = tokens == &options.prompt && model_.tokens.is_timestamp(token);
      const bool is_known = token >= 0 && token < runner_->dims().vocab_size;
      if (!is_known || !(model_.tokens.is_text(token) || is_time)) {
        return invalid(fmt::format("token {} is no text", token), name);
      }
    }
  }
  // <|startofprev|>, a prompt of four, a timestamp before the prefix, and a token that is chosen.
  constexpr std::size_t kOthers = 7;
  const auto positions = static_cast<std::size_t>(runner_->dims().max_text_positions);
  if (options.prompt.size() + options.prefix.size() + kOthers > positions) {
    return invalid(fmt::format("prompt and prefix have {} tokens together, this model takes {}",
                               options.prompt.size() + options.prefix.size(), positions - kOthers),
                   "prompt");
  }
  return {};
}

Status Loop::submit(Request request, Callback callback) {
  STENOD_RETURN_IF_ERROR(check(request));
  auto task = std::make_unique<WindowTask>();
  task->request = std::move(request);
  task->callback = std::move(callback);
  task->real_frames = (task->request.audio->num_frames + 1) / 2;
  task->set_attempt(0);
  task->submitted = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (stop_mode_) return Error{ErrorCode::kShuttingDown, "the engine is shutting down"};
    if (num_queued_ >= max_queued_) {
      const std::lock_guard statistics_lock(statistics_mutex_);
      ++statistics_.overloaded;
      return Error{ErrorCode::kOverloaded, fmt::format("{} windows are waiting already", max_queued_)};
    }
    ++num_queued_;
    task->arrival = ++num_arrivals_;
    inbox_.push_back(std::move(task));
    const std::lock_guard statistics_lock(statistics_mutex_);
    ++statistics_.submitted;
  }
  wake_.notify_one();
  return {};
}

void Loop::stop(StopMode mode) {
  {
    const std::lock_guard lock(mutex_);
    if (!stop_mode_ || mode == StopMode::kCancel) stop_mode_ = mode;
  }
  wake_.notify_one();
  const std::lock_guard lock(join_mutex_);
  if (!thread_.joinable()) return;
  assert(thread_.get_id() != std::this_thread::get_id());
  thread_.join();
}

Statistics Loop::statistics() const {
  const std::lock_guard lock(statistics_mutex_);
  return statistics_;
}

void Loop::run() {
  while (take_inbox()) {
    end_overdue();
    run_turn();
    count_tasks();
  }
  count_tasks();
}

void Loop::count_tasks() {
  const std::lock_guard lock(statistics_mutex_);
  statistics_.num_waiting = static_cast<int>(waiting_.size());
  statistics_.num_active = static_cast<int>(active_.size());
}

// Waits for work. False: the thread ends.
bool Loop::take_inbox() {
  std::optional<StopMode> stop_mode;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_mode_ || !inbox_.empty() || !waiting_.empty() || !active_.empty(); });
    std::move(inbox_.begin(), inbox_.end(), std::back_inserter(waiting_));
    inbox_.clear();
    stop_mode = stop_mode_;
  }
  if (stop_mode == StopMode::kCancel) end_all({ErrorCode::kShuttingDown, "the engine was shut down"});
  return !stop_mode || !waiting_.empty() || !active_.empty();
}

void Loop::end_all(const Error& error) {
  for (auto* tasks : {&waiting_, &active_}) {
    for (TaskPtr& task : *tasks) answer(std::move(task), error);
    tasks->clear();
  }
}

void Loop::end_overdue() {
  const auto now = Clock::now();
  for (auto* tasks : {&waiting_, &active_}) {
    for (TaskPtr& task : *tasks) {
      if (auto reason = reason_to_end(*task, now)) answer(std::move(task), std::move(*reason));
    }
    std::erase(*tasks, nullptr);
  }
}

void Loop::run_turn() {
  make_snapshot();
  const scheduler::Snapshot snapshot{.waiting = waiting_view_,
                                     .active = active_view_,
                                     .num_free_slots = slots_.num_free(),
                                     .live_expected = Clock::now() < live_expected_until_,
                                     .turns_passed_over = turns_passed_over_};
  scheduler::plan_turn(snapshot, limits_, plan_);
  was_encoded_.fill(false);
  switch (plan_.kind) {
    case scheduler::Plan::Kind::kIdle:
      break;
    case scheduler::Plan::Kind::kEncode:
      encode_group(plan_.chosen);
      break;
    case scheduler::Plan::Kind::kStep:
      step(plan_.chosen);
      conclude_finished();
      break;
  }
  count_passed_over();
}

void Loop::make_snapshot() {
  bool live = false;
  waiting_view_.clear();
  for (const TaskPtr& task : waiting_) {
    const auto& deadline = task->request.deadline;
    live |= is_live(task->request.request_class);
    waiting_view_.push_back(
        {.request_class = task->request.request_class,
         .num_frames = task->num_frames,
         .is_repeat = task->attempt > 0,
         .deadline = deadline ? deadline->time_since_epoch().count() : std::numeric_limits<std::int64_t>::max(),
         .arrival = task->arrival});
  }
  active_view_.clear();
  for (const TaskPtr& task : active_) {
    live |= is_live(task->request.request_class);
    active_view_.push_back({.request_class = task->request.request_class,
                            .num_rows = static_cast<int>(task->decoder->rows().size()),
                            .turns_waited = task->turns_waited});
  }
  if (live) live_expected_until_ = Clock::now() + kLiveExpected;
}

void Loop::count_passed_over() {
  std::array<bool, scheduler::kNumClasses> waits{};
  for (const TaskPtr& task : waiting_) waits[index_of(task->request.request_class)] = true;
  for (std::size_t c = 0; c < waits.size(); ++c) {
    turns_passed_over_[c] = waits[c] && !was_encoded_[c] ? turns_passed_over_[c] + 1 : 0;
  }
}

void Loop::encode_group(std::span<const int> chosen) {
  const auto begin = Clock::now();
  const auto num_mels = static_cast<std::size_t>(runner_->dims().num_mels);
  std::array<double, scheduler::kNumClasses> frames_of{};
  group_.clear();
  windows_.clear();
  auto free_features = std::span(features_);
  for (const int i : chosen) {
    TaskPtr task = std::move(waiting_[static_cast<std::size_t>(i)]);
    was_encoded_[index_of(task->request.request_class)] = true;
    if (std::exchange(task->is_queued, false)) {
      --num_queued_;
      task->timings.queued_s = seconds_between(task->submitted, begin);
    }
    task->slot = *slots_.acquire();  // the plan keeps to the free slots
    const auto features = free_features.first(2 * num_mels * static_cast<std::size_t>(task->num_frames));
    free_features = free_features.subspan(features.size());
    const audio::LogMel& mel = *task->request.audio;
    audio::normalised_window(mel, 0, std::min(mel.num_frames, 2 * task->num_frames), 2 * task->num_frames, features);
    windows_.push_back({task->slot.index, features, task->num_frames});
    frames_of[index_of(task->request.request_class)] += task->num_frames;
    group_.push_back(std::move(task));
  }
  std::erase(waiting_, nullptr);

  // When a group fails, each of its windows gets its own chance, so that only the cause of the failure suffers.
  const Status all = runner_->encode(windows_);
  for (std::size_t i = 0; i < group_.size(); ++i) {
    Status own = all;
    if (!all && group_.size() > 1) own = runner_->encode(std::span(windows_).subspan(i, 1));
    if (!own) {
      answer(std::move(group_[i]), own.error());
      continue;
    }
    active_.push_back(std::move(group_[i]));
  }

  const auto end = Clock::now();
  std::uint64_t num_frames = 0;
  for (const auto& window : windows_) num_frames += static_cast<std::uint64_t>(window.num_frames);
  for (TaskPtr& task : active_) {
    if (task->decoder) continue;
    task->encoded = end;
    if (task->attempt == 0 && task->request.on_encoded) task->request.on_encoded();
    task->timings.encoded_s += seconds_between(begin, end);
    if (const Status started = start_decoding(*task); !started) answer(std::move(task), started.error());
  }
  std::erase(active_, nullptr);
  const std::lock_guard lock(statistics_mutex_);
  ++statistics_.groups;
  statistics_.windows_encoded += windows_.size();
  statistics_.frames_encoded += num_frames;
  statistics_.encode_s += seconds_between(begin, end);
  count_live(seconds_between(begin, end), frames_of);
}

// The bound on text depends on the language, which may have to be detected first.
void Loop::limit_text(WindowTask& task) const {
  const int language = task.decoder->language_token();
  if (task.is_limited || (language < 0 && model_.tokens.multilingual())) return;
  task.is_limited = true;
  task.decoder->limit_text_tokens(
      model_.text.max_text_tokens(language, task.real_frames * whisper::kSecondsPerEncoderFrame));
}

void Loop::step(std::span<const int> chosen) {
  rows_.clear();
  std::array<double, scheduler::kNumClasses> rows_of{};
  for (const TaskPtr& task : active_) ++task->turns_waited;
  for (const int i : chosen) {
    WindowTask& task = *active_[static_cast<std::size_t>(i)];
    assert(slots_.is_current(task.slot));
    task.turns_waited = 0;
    for (const auto& row : task.decoder->rows()) {
      rows_.push_back({task.slot.index, row.position, row.token, row.wants_logits, row.branch});
    }
    rows_of[index_of(task.request.request_class)] += static_cast<double>(task.decoder->rows().size());
  }

  const auto begin = Clock::now();
  const Status all = runner_->step(rows_);
  const auto sampling_begin = Clock::now();
  const double step_s = seconds_between(begin, sampling_begin);
  std::size_t row = 0;
  for (const int i : chosen) {
    TaskPtr& task = active_[static_cast<std::size_t>(i)];
    const std::size_t num_rows = task->decoder->rows().size();
    Status own = all;
    if (all) {
      own = accept_logits(*task, static_cast<int>(row));
    } else if (chosen.size() > 1) {  // as in encode_group(); a position may be written again
      own = runner_->step(std::span(rows_).subspan(row, num_rows));
      if (own) own = accept_logits(*task, 0);
    }
    if (!own) answer(std::move(task), own.error());
    row += num_rows;
  }
  std::erase(active_, nullptr);

  const auto end = Clock::now();
  const std::lock_guard lock(statistics_mutex_);
  ++statistics_.steps;
  ++statistics_.steps_by_rows[rows_.size()];
  statistics_.step_s += step_s;
  statistics_.sampling_s += seconds_between(sampling_begin, end);
  count_live(seconds_between(begin, end), rows_of);
}

// Of time that classes spent together each has taken as much as its work was. Precondition: statistics_mutex_ is held.
void Loop::count_live(double seconds, const std::array<double, scheduler::kNumClasses>& work_of) {
  const double all = std::accumulate(work_of.begin(), work_of.end(), 0.0);
  if (all <= 0) return;
  statistics_.live_final_s += seconds * work_of[index_of(scheduler::RequestClass::kLiveFinal)] / all;
  statistics_.live_partial_s += seconds * work_of[index_of(scheduler::RequestClass::kLivePartial)] / all;
}

// `first_row`: index of the task's first row in the runner's last step.
Status Loop::accept_logits(WindowTask& task, int first_row) {
  const Status accepted = safely([&]() -> Status {
    STENOD_RETURN_IF_ERROR(task.decoder->accept([&](int row) { return runner_->logits(first_row + row); }));
    limit_text(task);
    return {};
  });
  if (!accepted) return accepted;
  const auto parents = task.decoder->parents();
  return parents.empty() ? Status() : runner_->fork(task.slot.index, parents);
}

void Loop::conclude_finished() {
  for (TaskPtr& task : active_) {
    if (!task->decoder->finished()) continue;
    const auto decoded = task->decoder->take();
    auto next = safely([&] { return conclude(*task, model_, *runner_, decoded); });
    if (next && *next == NextAttempt::kWarmer) {
      if (const Status status = decode_warmer(*task); !status) next = status.error();
    }
    if (!next) {
      answer(std::move(task), std::move(next).error());
      continue;
    }
    if (*next == NextAttempt::kNone) {
      task->timings.decoded_s += seconds_between(task->encoded, Clock::now());
      WindowResult result = *std::move(task->best);
      result.num_attempts = task->num_decoded;
      result.last_temperature = task->temperature();
      result.timings = task->timings;
      answer(std::move(task), std::move(result));
      continue;
    }
    if (*next == NextAttempt::kLongerWindow) {
      task->timings.decoded_s += seconds_between(task->encoded, Clock::now());
      slots_.release(task->slot);
      task->decoder.reset();
      task->set_attempt(task->attempt + 1);
      waiting_.push_back(std::move(task));
    }
    const std::lock_guard lock(statistics_mutex_);
    ++statistics_.repeats;
  }
  std::erase(active_, nullptr);
}

Status Loop::start_decoding(WindowTask& task) const {
  return safely([&]() -> Status {
    task.start_decoding(model_, runner_->dims().max_text_positions);
    limit_text(task);
    return {};
  });
}

// The slot goes on with its window, as one sequence again.
Status Loop::decode_warmer(WindowTask& task) {
  ++task.warmth;
  STENOD_RETURN_IF_ERROR(start_decoding(task));
  const int first = 0;
  return runner_->fork(task.slot.index, {&first, 1});
}

// Frees what the task holds, then calls back.
void Loop::answer(TaskPtr task, Result<WindowResult> outcome) {
  if (task->is_queued) --num_queued_;
  slots_.release(task->slot);
  {
    const std::lock_guard lock(statistics_mutex_);
    if (outcome) {
      ++statistics_.completed;
    } else if (outcome.error().code == ErrorCode::kCancelled) {
      ++statistics_.cancelled;
    } else if (outcome.error().code == ErrorCode::kDeadlineExceeded) {
      ++statistics_.deadline_exceeded;
    } else {
      ++statistics_.failed;
    }
  }
  if (task->callback) task->callback(std::move(outcome));
}

}  // namespace stenod::engine
