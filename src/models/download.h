#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "models/checksum.h"
#include "net/backoff.h"

namespace stenod::models {

/// What to get, and what it must be.
struct Download {
  std::string url;
  std::filesystem::path path;
  std::uint64_t size = 0;
  Checksum checksum = {};
  std::string bearer_token = {};  ///< as in HttpRequest
};

struct DownloadOptions {
  int num_connections = 4;  ///< for one file; at least 1
  /// A file is cut into as many segments as there are connections, but into none shorter or longer than this.
  std::uint64_t min_segment_size = 16 << 20;
  std::uint64_t max_segment_size = 128 << 20;
  std::chrono::milliseconds stall_timeout{30000};
  net::BackoffOptions backoff = {};  ///< of each connection
};

/// How many bytes more (or, if some had to be thrown away, fewer) are there now.
using OnBytes = std::function<void(std::int64_t)>;

/// Downloads to `path` + ".part" over several connections, going on where an earlier call stopped, however it ended;
/// then checks size and checksum and renames. From a server that can't give parts, the file comes over one connection
/// from its start. Bytes with a wrong checksum are removed. `on_bytes` is called from this thread; first with what is
/// there already. Blocks.
///
/// Errors: those of http_get, kModelBadChecksum, and those of writing.
Status download_file(const Download& download, const DownloadOptions& options, const OnBytes& on_bytes,
                     std::stop_token stop);

}  // namespace stenod::models
