#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "api/spool.h"
#include "base/result.h"
#include "transcribe/file_transcriber.h"

namespace stenod::api {

/// An upload to be transcribed for somebody who waits. The functions are called by one of the service's threads.
struct FileTask {
  std::unique_ptr<SpoolFile> audio;
  transcribe::Recogniser* recogniser = nullptr;  ///< outlives the service
  transcribe::FileOptions options;
  std::stop_token stop;                                                   ///< when nobody waits any more
  std::function<void(const transcribe::FileProgress&)> on_progress = {};  ///< may be empty
  std::function<void(const text::Segment&)> on_segment = {};              ///< may be empty
  /// Once, for every task that was accepted. Errors: those of FileTranscriber, kCancelled (`stop`), kDeadlineExceeded,
  /// kShuttingDown.
  std::function<void(Result<transcribe::FileResult>)> on_done;
};

struct FileServiceOptions {
  int max_concurrent = 4;              ///< files at once: a thread each
  int max_queued = 16;                 ///< that wait for one of those threads
  std::chrono::seconds timeout{3600};  ///< for one file, its time in the queue included
};

/// Transcribes uploads on threads of its own, because FileTranscriber blocks. All functions: any thread.
class FileService {
 public:
  explicit FileService(FileServiceOptions options = {});
  ~FileService();  ///< stop(now)
  FileService(const FileService&) = delete;
  FileService& operator=(const FileService&) = delete;

  /// Never blocks. After an error `on_done` is not called: kOverloaded when the queue is full, kShuttingDown.
  Status submit(FileTask task);
  /// What submit() would say now: to refuse a request before its body is read.
  Status accepts() const;

  /// Takes no more tasks and answers those in the queue with kShuttingDown, as after `deadline` those at work; returns
  /// when all are answered. Not to be called by a task's functions.
  void stop(std::chrono::steady_clock::time_point deadline);

  struct Load {
    int num_active = 0;
    int num_queued = 0;
  };
  Load load() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    FileTask task;
    Clock::time_point deadline;
    std::stop_source stop = {};            ///< of its transcription
    std::optional<ErrorCode> reason = {};  ///< why the service stopped it
  };

  void work();
  void watch();
  void run(Job& job);
  Status accepts_locked() const;
  std::vector<std::unique_ptr<Job>> take_hopeless(Clock::time_point now);
  Error error_of(const Job& job) const;

  const FileServiceOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::list<Job*> active_;
  bool closed_ = false;
  std::optional<Clock::time_point> stop_deadline_;
  std::vector<std::thread> threads_;
};

}  // namespace stenod::api
