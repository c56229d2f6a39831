#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/metrics.h"
#include "base/result.h"

namespace stenod::server {

/// What one client, or all together, can take. docs/server.md says what happens beyond each.
struct Limits {
  std::size_t max_connections = 2048;
  /// By the address that connects (IPv6: its /64 network); trusted proxies are not counted. 0: no limit.
  std::size_t max_connections_per_client = 512;

  std::size_t max_head_bytes = 16 * 1024;          ///< request line and header fields
  std::chrono::milliseconds head_timeout{10'000};  ///< for a whole head, and for the TLS handshake
  std::chrono::milliseconds keep_alive_timeout{60'000};
  std::chrono::milliseconds body_idle_timeout{30'000};
  std::uint64_t min_body_bytes_per_s = 1024;        ///< on average, once a body has taken longer than the idle timeout
  std::chrono::milliseconds write_timeout{30'000};  ///< without any progress
  std::size_t max_unsent_response_bytes = 1024 * 1024;  ///< of an answer in pieces

  /// After an answer that came before the end of a request: for so long, and so much, what still arrives is thrown
  /// away, so that the client sees the answer.
  std::chrono::milliseconds linger_timeout{5'000};
  std::uint64_t max_linger_bytes = 128 * 1024 * 1024;

  std::size_t max_message_bytes = 16 * 1024 * 1024;  ///< of one WebSocket message
  /// Of all incomplete WebSocket messages together, as far as each is over 256 KiB.
  std::size_t max_assembling_bytes = 256 * 1024 * 1024;
  std::size_t max_unsent_message_bytes = 4 * 1024 * 1024;  ///< of one WebSocket; more waits only as its last message
  std::chrono::milliseconds ping_interval{20'000};
  std::chrono::milliseconds silence_timeout{60'000};  ///< no data and no pong while the server reads
  /// For the closing handshake; after what a handler has sent the system's buffers have write_timeout before that.
  std::chrono::milliseconds close_timeout{5'000};
  std::chrono::milliseconds tick_interval{1'000};
};

/// Lets a request pass or refuses it, and sets its principal. `credential` is what it came with, empty where it came
/// with none. Called on the pool of the route's handler.
using Authorise =
    std::function<Status(api::HttpRequest& request, api::Route::Access access, std::string_view credential)>;

struct ServerOptions {
  std::string listen = "127.0.0.1:8765";  ///< HOST:PORT, [IPv6]:PORT or *:PORT; port 0: any that is free
  std::size_t num_io_threads = 2;

  /// PEM files; both or none. With them the port speaks TLS only.
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;

  /// Web pages that may use the server besides its own: "https://host[:port]", or "*" for all.
  std::vector<std::string> allowed_origins;
  /// Names by which browsers may call the server, or "*". Empty: any, but on a loopback address only `localhost`,
  /// addresses and the hosts of `allowed_origins`, so that no web page reaches it under a name of its own (DNS
  /// rebinding).
  std::vector<std::string> allowed_hosts;
  /// Networks ("10.0.0.0/8", "::1") whose X-Forwarded-For is believed.
  std::vector<std::string> trusted_proxies;

  /// Routes will come with add_routes(): until then what is at other paths is answered by kNotReady, and not by
  /// kNotFound.
  bool more_routes_come = false;
  bool permessage_deflate = false;
  Authorise authorise;  ///< none: everything is allowed
  Limits limits;
  /// Must outlive the server. None: nothing is counted.
  MetricRegistry* metrics = nullptr;
};

}  // namespace stenod::server
