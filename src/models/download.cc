#include "models/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "models/part_file.h"
#include "net/http_client.h"

namespace stenod::models {
namespace {

constexpr int kPartialContent = 206;
constexpr std::chrono::milliseconds kReportInterval{100};
/// A connection that brought less before it broke hasn't helped: there is an end to the tries.
constexpr std::uint64_t kHelpfulBytes = 256 << 10;

/// Fills a part file: threads take one segment after the other.
class Fetcher {
 public:
  Fetcher(const Download& download, const DownloadOptions& options, PartFile& part)
      : download_(download), options_(options), part_(part), bytes_done_(part.bytes_done()) {}

  /// `on_bytes` was told of what was there.
  Status run(const OnBytes& on_bytes, const std::stop_token& stop) {
    STENOD_RETURN_IF_ERROR(run_connections(on_bytes, stop));
    if (!refuses_ranges_) return {};
    STENOD_RETURN_IF_ERROR(part_.restart_as_one());
    bytes_done_ = 0;
    next_segment_ = 0;
    return run_connections(on_bytes, stop);
  }

 private:
  Status run_connections(const OnBytes& on_bytes, const std::stop_token& stop) {
    stop_ = std::stop_source();
    const std::stop_callback forward(stop, [this] { stop_.request_stop(); });
    failure_.reset();
    const auto num_missing = static_cast<std::size_t>(std::count_if(
        part_.segments().begin(), part_.segments().end(), [](const auto& segment) { return !segment.is_complete(); }));
    const std::size_t num_connections =
        std::min<std::size_t>(static_cast<std::size_t>(options_.num_connections), num_missing);
    num_running_ = num_connections;
    {
      std::vector<std::jthread> connections;
      for (std::size_t i = 0; i < num_connections; ++i) connections.emplace_back([this] { run_connection(); });
      std::unique_lock lock(mutex_);
      for (bool is_over = num_missing == 0; !is_over;) {
        is_over = changed_.wait_for(lock, kReportInterval, [this] { return num_running_ == 0; });
        lock.unlock();
        report(on_bytes);
        lock.lock();
      }
    }
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "the download was cancelled"};
    if (failure_ && failure_->code != ErrorCode::kNotSupported) return *std::move(failure_);
    return {};  // also where ranges are refused
  }

  void report(const OnBytes& on_bytes) {
    const auto done = static_cast<std::int64_t>(bytes_done_.load());
    if (done != reported_) on_bytes(done - std::exchange(reported_, done));
  }

  void run_connection() {
    while (const auto segment = take_segment()) {
      Status status = fetch(*segment);
      if (status) continue;
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::move(status).error();
      stop_.request_stop();
      break;
    }
    const std::lock_guard lock(mutex_);
    --num_running_;
    changed_.notify_one();
  }

  std::optional<std::size_t> take_segment() {
    const std::lock_guard lock(mutex_);
    while (!failure_ && next_segment_ < part_.segments().size()) {
      const std::size_t segment = next_segment_++;
      if (!part_.segments()[segment].is_complete()) return segment;
    }
    return std::nullopt;
  }

  Status fetch(std::size_t index) {
    const PartFile::Segment& segment = part_.segments()[index];
    const bool is_whole = part_.segments().size() == 1;
    net::HttpRequest request;
    request.url = download_.url;
    request.bearer_token = download_.bearer_token;
    request.max_bytes = download_.size;
    request.stall_timeout = options_.stall_timeout;
    const net::HeadSink on_head = [&](const net::HttpHead& head) -> Status {
      if (is_whole && head.offset == segment.done) return {};
      if (is_whole) {  // the server can't resume
        bytes_done_ -= segment.done;
        return part_.rewind(index);
      }
      if (head.status == kPartialContent) return {};
      refuses_ranges_ = true;
      return Error{ErrorCode::kNotSupported, fmt::format("{}: the server can't send a part", name())};
    };
    const net::BodySink on_body = [&](std::span<const std::byte> bytes) -> Status {
      if (bytes.size() > segment.size - segment.done) {
        return Error{ErrorCode::kNetTooLarge,
                     fmt::format("{}: the server sent more than a part of {} bytes", name(), segment.size)};
      }
      STENOD_RETURN_IF_ERROR(part_.write(index, bytes));
      bytes_done_ += bytes.size();
      return {};
    };
    net::Backoff backoff(options_.backoff);
    while (!segment.is_complete()) {
      const std::uint64_t done_before = segment.done;
      request.offset = segment.offset + segment.done;
      request.length = is_whole ? 0 : segment.size - segment.done;
      net::HttpHead answer;
      const auto head = net::http_get(request, on_head, on_body, stop_.get_token(), &answer);
      if (head && segment.is_complete()) break;
      if (head && is_whole) break;  // shorter than expected, which the check tells better
      Error failure = head ? Error{ErrorCode::kNetIncomplete,
                                   fmt::format("{}: a part ended before its {} bytes", name(), segment.size)}
                           : head.error();
      const bool has_helped = segment.done >= done_before + kHelpfulBytes;
      STENOD_RETURN_IF_ERROR(backoff.wait(std::move(failure), answer, has_helped, stop_.get_token()));
    }
    return {};
  }

  /// The address may hold what is secret.
  std::string name() const { return download_.path.string(); }

  const Download& download_;
  const DownloadOptions& options_;
  PartFile& part_;
  std::atomic<std::uint64_t> bytes_done_;
  std::int64_t reported_ = static_cast<std::int64_t>(bytes_done_.load());
  std::atomic<bool> refuses_ranges_ = false;
  std::stop_source stop_;
  std::mutex mutex_;  ///< of what follows
  std::condition_variable changed_;
  std::size_t num_running_ = 0;
  std::size_t next_segment_ = 0;
  std::optional<Error> failure_;  ///< the first one
};

/// Stands for the contents in a part file's state. 0 where they have no checksum.
std::uint64_t key_of(const Checksum& checksum) {
  const std::string_view digits = std::string_view(checksum.hex).substr(0, 16);
  std::uint64_t key = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), key, 16);
  return key;
}

std::uint64_t segment_size_for(std::uint64_t size, const DownloadOptions& options) {
  const auto num_connections = static_cast<std::uint64_t>(options.num_connections);
  return std::clamp((size + num_connections - 1) / num_connections, options.min_segment_size, options.max_segment_size);
}

}  // namespace

Status download_file(const Download& download, const DownloadOptions& options, const OnBytes& on_bytes,
                     std::stop_token stop) {
  if (is_complete(download.path, download.size, download.checksum)) {
    on_bytes(static_cast<std::int64_t>(download.size));
    return {};
  }
  for (bool is_first = true;; is_first = false) {
    STENOD_ASSIGN_OR_RETURN(PartFile part, PartFile::open(download.path, download.size, key_of(download.checksum),
                                                          segment_size_for(download.size, options)));
    const std::uint64_t num_old_bytes = part.bytes_done();
    on_bytes(static_cast<std::int64_t>(num_old_bytes));
    STENOD_RETURN_IF_ERROR(Fetcher(download, options, part).run(on_bytes, stop));
    const std::uint64_t num_bytes = part.bytes_done();
    STENOD_RETURN_IF_ERROR(part.sync());
    Status verified =
        num_bytes == download.size
            ? verify_file(part.path(), download.size, download.checksum)
            : Error{ErrorCode::kModelBadChecksum,
                    fmt::format("{}: {} bytes, expected {}", download.path.string(), num_bytes, download.size)};
    if (verified) return part.commit();
    if (verified.error().code == ErrorCode::kModelBadChecksum) part.discard();
    on_bytes(-static_cast<std::int64_t>(num_bytes));
    // What an earlier call left may have been damaged since: once more, from the start.
    if (!is_first || num_old_bytes == 0) return verified;
  }
}

}  // namespace stenod::models
